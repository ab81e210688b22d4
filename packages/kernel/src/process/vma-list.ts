import type { Vpn } from "@kpkeys/core/contracts";
import { VmFlag } from "./vma.js";
import type { Vma } from "./vma.js";

/** Gap between a mapping that grows downward and an accessible mapping below it, in pages: `stack_guard_gap`. */
const STACK_GUARD_PAGES = 256;

/** `is_mergeable_anon_vma`: the same anon_vma, or only one mapping has one, not inherited by fork. */
function anonVmasMerge(a: Vma, b: Vma): boolean {
  if (a.anonVma === b.anonVma) return true;
  if (a.anonVma !== 0 && b.anonVma !== 0) return false;
  return a.anonVma === 0 ? !b.inherited : !a.inherited;
}

/** Whether mapping b continues mapping a, ignoring their rights: `anon_vma_compatible`. */
function continues(a: Vma, b: Vma): boolean {
  return a.end === b.start && a.flags === b.flags && a.file === b.file && a.shift === b.shift;
}

/** Whether two adjacent mappings merge: `can_vma_merge_after`. */
function mergeable(a: Vma, b: Vma): boolean {
  return continues(a, b) && a.prot === b.prot && anonVmasMerge(a, b);
}

/** The mappings of an address space, ascending and disjoint. */
export class VmaList {
  private readonly vmas: Vma[] = [];
  /** Number of anon_vmas created so far. */
  private anonVmas = 0;

  /** All mappings, ascending. */
  get all(): readonly Vma[] {
    return this.vmas;
  }

  /** Index of the first mapping that ends above a page. */
  private indexAbove(page: Vpn): number {
    let low = 0;
    let high = this.vmas.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.vmas[middle]!.end > page) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The mapping of a page, or else the next one above it. */
  findAtOrAbove(page: Vpn): Vma | undefined {
    return this.vmas[this.indexAbove(page)];
  }

  /** The mapping of a page. */
  find(page: Vpn): Vma | undefined {
    const vma = this.findAtOrAbove(page);
    return vma !== undefined && vma.start <= page ? vma : undefined;
  }

  /** The last mapping that ends at or below a page. */
  findBelow(page: Vpn): Vma | undefined {
    return this.vmas[this.indexAbove(page) - 1];
  }

  /** End of the last mapping below a page; 0 if there is none. */
  endBelow(page: Vpn): number {
    const vma = this.findAtOrAbove(page);
    if (vma !== undefined && vma.start < page) return page;
    return this.findBelow(page)?.end ?? 0;
  }

  /**
   * The mapping of a fault. Extends a mapping that grows downward to a fault below it: `expand_downwards`, which prepares the anon_vma
   * before it checks the limit.
   * @param page - virtual page of the fault
   * @param limit - maximum size of such a mapping in pages: RLIMIT_STACK
   */
  expandTo(page: Vpn, limit: number): Vma | undefined {
    const vma = this.findAtOrAbove(page);
    if (vma === undefined || vma.start <= page) return vma;
    if ((vma.flags & VmFlag.GROWSDOWN) === 0) return undefined;
    const below = this.findBelow(page);
    const guarded = below !== undefined && (below.flags & VmFlag.GROWSDOWN) === 0 && below.prot !== 0;
    if (guarded && page - below.end < STACK_GUARD_PAGES) return undefined;
    this.prepareAnonVma(vma);
    if (vma.end - page > limit) return undefined;
    vma.start = page;
    return vma;
  }

  /** Inserts a mapping into a free range and merges it with its neighbours. */
  insert(vma: Vma): void {
    const index = this.indexAbove(vma.start);
    this.vmas.splice(index, 0, vma);
    this.mergeAround(vma.start, vma.end);
  }

  /** Appends a mapping above all others without merging, for fork. */
  append(vma: Vma): void {
    this.vmas.push(vma);
  }

  /** `__anon_vma_prepare`: assigns an anon_vma; that of a neighbour if the two mappings differ only in their rights. */
  prepareAnonVma(vma: Vma): void {
    if (vma.anonVma !== 0) return;
    const index = this.indexAbove(vma.start);
    const after = this.vmas[index + 1];
    const before = this.vmas[index - 1];
    if (after !== undefined && after.anonVma !== 0 && !after.inherited && continues(vma, after))
      vma.anonVma = after.anonVma;
    else if (before !== undefined && before.anonVma !== 0 && !before.inherited && continues(before, vma))
      vma.anonVma = before.anonVma;
    else vma.anonVma = ++this.anonVmas;
  }

  /** `anon_vma_fork`: assigns an anon_vma to the child's copy of a mapping with an anon_vma. */
  inheritAnonVma(vma: Vma): void {
    vma.anonVma = ++this.anonVmas;
    vma.inherited = true;
  }

  /** Merges mappings at the ends of a range and inside it. */
  mergeAround(start: Vpn, end: Vpn): void {
    let index = Math.max(1, this.indexAbove(start));
    while (index < this.vmas.length && this.vmas[index]!.start <= end) {
      const before = this.vmas[index - 1]!;
      const after = this.vmas[index]!;
      if (mergeable(before, after)) {
        before.end = after.end;
        if (before.anonVma === 0) {
          before.anonVma = after.anonVma;
          before.inherited = after.inherited;
        }
        this.vmas.splice(index, 1);
      } else index++;
    }
  }

  /** Whether the removal of a range splits a mapping at either end. */
  splits(start: Vpn, end: Vpn): boolean {
    return [start, end].some((page) => (this.findAtOrAbove(page)?.start ?? page) < page);
  }

  /** Splits the mapping of a page so that a mapping starts there. */
  private splitAt(page: Vpn): void {
    const index = this.indexAbove(page);
    const vma = this.vmas[index];
    if (vma === undefined || vma.start >= page) return;
    this.vmas.splice(index + 1, 0, vma.withRange(page, vma.end));
    vma.end = page;
  }

  /** The mappings that overlap a range. */
  inside(start: Vpn, end: Vpn): readonly Vma[] {
    const first = this.indexAbove(start);
    let last = first;
    while (last < this.vmas.length && this.vmas[last]!.start < end) last++;
    return this.vmas.slice(first, last);
  }

  /** Splits mappings at the ends of a range. @returns the mappings inside it, which stay in the list */
  isolate(start: Vpn, end: Vpn): readonly Vma[] {
    this.splitAt(start);
    this.splitAt(end);
    return this.inside(start, end);
  }

  /** Changes flags of all mappings in a range. @param clear - {@link VmFlag} bits to clear @param set - bits to set */
  changeFlags(start: Vpn, end: Vpn, clear: number, set: number): void {
    for (const vma of this.isolate(start, end)) vma.flags = (vma.flags & ~clear) | set;
    this.mergeAround(start, end);
  }

  /** Splits mappings at the ends of a range and removes those inside it. @returns the removed mappings */
  remove(start: Vpn, end: Vpn): readonly Vma[] {
    const removed = this.isolate(start, end);
    if (removed.length > 0) this.vmas.splice(this.indexAbove(start), removed.length);
    return removed;
  }
}
