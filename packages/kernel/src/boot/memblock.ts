import { KpkeysError } from "@kpkeys/core";
import type { MemoryBank } from "@kpkeys/core/contracts";

interface Range {
  start: number;
  end: number;
}

/**
 * The allocator of early boot: takes pages from the top of RAM downward and never gives any back. What is left goes to the
 * buddy allocator.
 */
export interface Memblock {
  /**
   * Keeps a run of pages from being handed out.
   * @param pfn - first page-frame number
   * @param pages - number of pages
   */
  reserve(pfn: number, pages: number): void;
  /**
   * `memblock_phys_alloc_range`.
   * @param pages - number of contiguous pages
   * @param align - the first page-frame number is a multiple of this
   * @returns the first page-frame number
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  alloc(pages: number, align: number): number;
  /**
   * The same for callers that can do without.
   * @param pages - number of contiguous pages
   * @param align - the first page-frame number is a multiple of this
   * @returns the first page-frame number, or -1 when there is no such run
   */
  tryAlloc(pages: number, align: number): number;
  /** The runs still free, ascending, as [first, one past the last] page-frame numbers. */
  free(): readonly (readonly [number, number])[];
}

/**
 * Makes the early allocator over all of RAM.
 * @param banks - the banks, ascending
 */
export function createMemblock(banks: readonly MemoryBank[]): Memblock {
  let ranges: Range[] = banks.map(({ firstPfn, pages }) => ({ start: firstPfn, end: firstPfn + pages }));

  function reserve(pfn: number, pages: number): void {
    const end = pfn + pages;
    ranges = ranges
      .flatMap((range) => [
        { start: range.start, end: Math.min(range.end, Math.max(range.start, pfn)) },
        { start: Math.max(range.start, Math.min(range.end, end)), end: range.end },
      ])
      .filter(({ start, end }) => start < end);
  }

  function tryAlloc(pages: number, align: number): number {
    for (let i = ranges.length - 1; i >= 0; i--) {
      const range = ranges[i]!;
      const pfn = Math.floor((range.end - pages) / align) * align;
      if (pfn < range.start) continue;
      if (pfn + pages === range.end) range.end = pfn;
      else reserve(pfn, pages);
      return pfn;
    }
    return -1;
  }

  function alloc(pages: number, align: number): number {
    const pfn = tryAlloc(pages, align);
    if (pfn >= 0) return pfn;
    throw new KpkeysError("ERR_OUT_OF_MEMORY", `no ${pages} contiguous pages left during boot`, {
      expected: "a machine with more memory",
    });
  }

  return { reserve, alloc, tryAlloc, free: () => ranges.map(({ start, end }) => [start, end] as const) };
}
