import { MapFlag } from "@kpkeys/core/contracts";

/** A mapped range of an address space: `vm_area_struct`. Ranges are in virtual pages. A class, so that all have one shape. */
export class Vma {
  /** First page. */
  start: number;
  /** One past the last page. */
  end: number;
  /** PROT_ bits. */
  prot: number;
  /** Whether its pages have no file behind them. */
  readonly anonymous: boolean;
  /** Whether writes are seen by others that map the same: MAP_SHARED. */
  readonly shared: boolean;
  /** Whether it grows downward on faults below it. */
  readonly growsDown: boolean;
  /** Whether a private page of it was ever written: it has an anon_vma, so fork copies its entries. */
  hasAnonVma = false;
  readonly #flags: number;

  /**
   * @param start - first page
   * @param end - one past the last page
   * @param prot - PROT_ bits
   * @param flags - MAP_ bits of mmap
   */
  constructor(start: number, end: number, prot: number, flags: number) {
    this.start = start;
    this.end = end;
    this.prot = prot;
    this.anonymous = (flags & MapFlag.ANONYMOUS) !== 0;
    this.shared = (flags & MapFlag.SHARED) !== 0;
    this.growsDown = (flags & MapFlag.GROWSDOWN) !== 0;
    this.#flags = flags;
  }

  /** The same mapping of another range. */
  over(start: number, end: number): Vma {
    const vma = new Vma(start, end, this.prot, this.#flags);
    vma.hasAnonVma = this.hasAnonVma;
    return vma;
  }
}

/** Whether two adjacent mappings become one: `vma_merge`, which asks the same of files only at fitting offsets. */
function mergeable(a: Vma, b: Vma): boolean {
  return (
    a.end === b.start &&
    a.prot === b.prot &&
    a.anonymous &&
    b.anonymous &&
    a.shared === b.shared &&
    !a.shared &&
    a.growsDown === b.growsDown &&
    a.hasAnonVma === b.hasAnonVma
  );
}

/** The mappings of an address space, ascending and disjoint. */
export class VmaList {
  readonly #vmas: Vma[] = [];

  /** All mappings, ascending. */
  get all(): readonly Vma[] {
    return this.#vmas;
  }

  /** Index of the first mapping that ends above a page. */
  #indexAbove(page: number): number {
    let low = 0;
    let high = this.#vmas.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#vmas[middle]!.end > page) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The mapping that holds a page, or else the next one above it. */
  findAtOrAbove(page: number): Vma | undefined {
    return this.#vmas[this.#indexAbove(page)];
  }

  /** The mapping that holds a page. */
  find(page: number): Vma | undefined {
    const vma = this.findAtOrAbove(page);
    return vma !== undefined && vma.start <= page ? vma : undefined;
  }

  /** End of the last mapping below a page; 0 when there is none. */
  endBelow(page: number): number {
    const index = this.#indexAbove(page);
    const holds = this.#vmas[index];
    if (holds !== undefined && holds.start < page) return page;
    return this.#vmas[index - 1]?.end ?? 0;
  }

  /** Inserts a mapping where nothing is mapped, merging it with its neighbours. */
  insert(vma: Vma): void {
    const index = this.#indexAbove(vma.start);
    this.#vmas.splice(index, 0, vma);
    this.mergeAround(vma.start, vma.end);
  }

  /** Merges what can be merged at the borders of a range and inside it. */
  mergeAround(start: number, end: number): void {
    let index = Math.max(1, this.#indexAbove(start));
    while (index < this.#vmas.length && this.#vmas[index]!.start <= end) {
      const before = this.#vmas[index - 1]!;
      const after = this.#vmas[index]!;
      if (mergeable(before, after)) {
        before.end = after.end;
        this.#vmas.splice(index, 1);
      } else index++;
    }
  }

  /** Splits the mapping that holds a page so that one starts there. */
  #splitAt(page: number): void {
    const index = this.#indexAbove(page);
    const vma = this.#vmas[index];
    if (vma === undefined || vma.start >= page) return;
    this.#vmas.splice(index + 1, 0, vma.over(page, vma.end));
    vma.end = page;
  }

  /** The mappings inside a range, split at its ends; they stay in the list. */
  isolate(start: number, end: number): readonly Vma[] {
    this.#splitAt(start);
    this.#splitAt(end);
    const first = this.#indexAbove(start);
    let last = first;
    while (last < this.#vmas.length && this.#vmas[last]!.start < end) last++;
    return this.#vmas.slice(first, last);
  }

  /** Takes the mappings inside a range out, split at its ends. */
  remove(start: number, end: number): readonly Vma[] {
    const removed = this.isolate(start, end);
    if (removed.length > 0) this.#vmas.splice(this.#indexAbove(start), removed.length);
    return removed;
  }
}
