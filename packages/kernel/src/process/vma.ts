import { MapFlag, Prot } from "@kpkeys/core/contracts";

/** What a mapping is beside its rights: the VM_ flags that decide what becomes of its page tables, or keep it from merging. */
export const VmFlag = {
  /** Writes are seen by others that map the same: VM_SHARED. */
  SHARED: 0x1,
  /** It grows downward on faults below it: VM_GROWSDOWN. */
  GROWSDOWN: 0x2,
  /** VM_NORESERVE. */
  NORESERVE: 0x4,
  /** Its pages are charged to the commit limit: VM_ACCOUNT. */
  ACCOUNT: 0x8,
  /** It is filled when it is made or grows: VM_LOCKED. */
  LOCKED: 0x10,
  /** fork leaves it out: VM_DONTCOPY. */
  DONTCOPY: 0x20,
  /** fork gives the child an empty one: VM_WIPEONFORK. */
  WIPEONFORK: 0x40,
  /** VM_SEQ_READ. */
  SEQ_READ: 0x80,
  /** VM_RAND_READ. */
  RAND_READ: 0x100,
  /** VM_DONTDUMP. */
  DONTDUMP: 0x200,
  /** madvise asked for huge pages: VM_HUGEPAGE. */
  HUGEPAGE: 0x400,
  /** madvise asked for none: VM_NOHUGEPAGE. */
  NOHUGEPAGE: 0x800,
} as const;

/** A mapped range of an address space: `vm_area_struct`. Ranges are in virtual pages. A class, so that all have one shape. */
export class Vma {
  /** First page. */
  start: number;
  /** One past the last page. */
  end: number;
  /** PROT_ bits. */
  prot: number;
  /** {@link VmFlag} bits. */
  flags: number;
  /** The object behind it: 0 for private anonymous memory, else a number of the mmap call that mapped a file or shared memory. */
  readonly file: number;
  /** Whether its pages have no file behind them, shared memory included. */
  readonly anonymous: boolean;
  /** Page in the object less page in the address space: `vm_pgoff`, so that neighbours that continue each other have the same. */
  shift = 0;
  /** Its anon_vma by number, 0 for none: it has one from the first private page written on, and fork copies its entries then. */
  anonVma = 0;
  /** Whether that came of a parent's at fork, so that it does not spread to a neighbour: the chain is not singular. */
  inherited = false;

  constructor(start: number, end: number, prot: number, flags: number, file: number, anonymous: boolean) {
    this.start = start;
    this.end = end;
    this.prot = prot;
    this.flags = flags;
    this.file = file;
    this.anonymous = anonymous;
  }

  /** The same mapping of another range. */
  over(start: number, end: number): Vma {
    const vma = new Vma(start, end, this.prot, this.flags, this.file, this.anonymous);
    vma.shift = this.shift;
    vma.anonVma = this.anonVma;
    vma.inherited = this.inherited;
    return vma;
  }
}

/** MAP_LOCKED and MAP_NORESERVE of include/uapi/asm-generic/mman.h. */
const MAP_LOCKED = 0x2000;
const MAP_NORESERVE = 0x4000;

/** Makes a mapping from the flags of mmap. @param file - a number of its own when a file or shared memory is mapped */
export function newVma(start: number, end: number, prot: number, flags: number, file = 0): Vma {
  const shared = (flags & MapFlag.SHARED) !== 0;
  const anonymous = (flags & MapFlag.ANONYMOUS) !== 0;
  const accounted = (prot & Prot.WRITE) !== 0 && !shared && (flags & MAP_NORESERVE) === 0;
  const vmFlags =
    (shared ? VmFlag.SHARED : 0) |
    ((flags & MapFlag.GROWSDOWN) !== 0 ? VmFlag.GROWSDOWN : 0) |
    ((flags & MAP_NORESERVE) !== 0 ? VmFlag.NORESERVE : 0) |
    (accounted ? VmFlag.ACCOUNT : 0) |
    ((flags & MAP_LOCKED) !== 0 ? VmFlag.LOCKED : 0);
  return new Vma(start, end, prot, vmFlags, anonymous && !shared ? 0 : file, anonymous);
}

// What is exported is loaded each time; what is not is folded.
const { SHARED } = VmFlag;

/** Whether others see what is written to a mapping. */
export function isShared({ flags }: Vma): boolean {
  return (flags & SHARED) !== 0;
}

/** `is_mergeable_anon_vma`: the same one, or one that may spread to the other. */
function anonVmasMerge(a: Vma, b: Vma): boolean {
  if (a.anonVma === b.anonVma) return true;
  if (a.anonVma !== 0 && b.anonVma !== 0) return false;
  return a.anonVma === 0 ? !b.inherited : !a.inherited;
}

/** Whether one mapping continues another but for their rights: `anon_vma_compatible`. */
function continues(a: Vma, b: Vma): boolean {
  return a.end === b.start && a.flags === b.flags && a.file === b.file && a.shift === b.shift;
}

/** Whether two adjacent mappings become one: `can_vma_merge_after`. */
function mergeable(a: Vma, b: Vma): boolean {
  return continues(a, b) && a.prot === b.prot && anonVmasMerge(a, b);
}

/** The mappings of an address space, ascending and disjoint. */
export class VmaList {
  readonly #vmas: Vma[] = [];
  #anonVmas = 0;

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

  /** The last mapping that ends at or below a page. */
  findBelow(page: number): Vma | undefined {
    const index = this.#indexAbove(page);
    return this.#vmas[index - 1];
  }

  /** End of the last mapping below a page; 0 when there is none. */
  endBelow(page: number): number {
    const holds = this.findAtOrAbove(page);
    if (holds !== undefined && holds.start < page) return page;
    return this.findBelow(page)?.end ?? 0;
  }

  /** Inserts a mapping where nothing is mapped, merging it with its neighbours. */
  insert(vma: Vma): void {
    const index = this.#indexAbove(vma.start);
    this.#vmas.splice(index, 0, vma);
    this.mergeAround(vma.start, vma.end);
  }

  /** Appends a mapping above all others, as it is: fork keeps them apart as they were. */
  append(vma: Vma): void {
    this.#vmas.push(vma);
  }

  /** `__anon_vma_prepare`: gives a mapping an anon_vma, a neighbour's when the two were one before their rights parted. */
  prepareAnonVma(vma: Vma): void {
    if (vma.anonVma !== 0) return;
    const index = this.#indexAbove(vma.start);
    const after = this.#vmas[index + 1];
    const before = this.#vmas[index - 1];
    if (after !== undefined && after.anonVma !== 0 && !after.inherited && continues(vma, after))
      vma.anonVma = after.anonVma;
    else if (before !== undefined && before.anonVma !== 0 && !before.inherited && continues(before, vma))
      vma.anonVma = before.anonVma;
    else vma.anonVma = ++this.#anonVmas;
  }

  /** `anon_vma_fork`: the anon_vma of a child's mapping whose parent's has one. */
  inheritAnonVma(vma: Vma): void {
    vma.anonVma = ++this.#anonVmas;
    vma.inherited = true;
  }

  /** Merges what can be merged at the borders of a range and inside it. */
  mergeAround(start: number, end: number): void {
    let index = Math.max(1, this.#indexAbove(start));
    while (index < this.#vmas.length && this.#vmas[index]!.start <= end) {
      const before = this.#vmas[index - 1]!;
      const after = this.#vmas[index]!;
      if (mergeable(before, after)) {
        before.end = after.end;
        if (before.anonVma === 0) {
          before.anonVma = after.anonVma;
          before.inherited = after.inherited;
        }
        this.#vmas.splice(index, 1);
      } else index++;
    }
  }

  /** Whether taking a range out splits a mapping at either end. */
  splits(start: number, end: number): boolean {
    return [start, end].some((page) => (this.findAtOrAbove(page)?.start ?? page) < page);
  }

  /** Splits the mapping that holds a page so that one starts there. */
  #splitAt(page: number): void {
    const index = this.#indexAbove(page);
    const vma = this.#vmas[index];
    if (vma === undefined || vma.start >= page) return;
    this.#vmas.splice(index + 1, 0, vma.over(page, vma.end));
    vma.end = page;
  }

  /** The mappings that lie in a range, wholly or in part. */
  inside(start: number, end: number): readonly Vma[] {
    const first = this.#indexAbove(start);
    let last = first;
    while (last < this.#vmas.length && this.#vmas[last]!.start < end) last++;
    return this.#vmas.slice(first, last);
  }

  /** The mappings inside a range, split at its ends; they stay in the list. */
  isolate(start: number, end: number): readonly Vma[] {
    this.#splitAt(start);
    this.#splitAt(end);
    return this.inside(start, end);
  }

  /** Takes the mappings inside a range out, split at its ends. */
  remove(start: number, end: number): readonly Vma[] {
    const removed = this.isolate(start, end);
    if (removed.length > 0) this.#vmas.splice(this.#indexAbove(start), removed.length);
    return removed;
  }
}
