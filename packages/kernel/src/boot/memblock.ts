import { inject, injectable } from "@kpkeys/core";
import { PhysicalMemory, toPfn } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";
import { TooSmall } from "../machine/errors.js";

interface Range {
  start: number;
  end: number;
}

/**
 * The allocator of early boot, over all RAM. It allocates from the top of RAM downward and frees nothing. The remaining pages go to
 * the buddy allocator.
 */
@injectable()
export class Memblock {
  /** Free runs, ascending. */
  private ranges: Range[];
  private readonly pageBytes: number;

  constructor(@inject(PhysicalMemory) memory: Pick<PhysicalMemory, "banks" | "pageShift">) {
    this.pageBytes = 2 ** memory.pageShift;
    this.ranges = memory.banks.map(({ firstPfn, pages }) => ({ start: firstPfn, end: firstPfn + pages }));
  }

  /**
   * Excludes a run of pages from allocation.
   * @param pfn - first page-frame number
   * @param pages - number of pages
   */
  reserve(pfn: Pfn, pages: number): void {
    const end = pfn + pages;
    this.ranges = this.ranges
      .flatMap((range) => [
        { start: range.start, end: Math.min(range.end, Math.max(range.start, pfn)) },
        { start: Math.max(range.start, Math.min(range.end, end)), end: range.end },
      ])
      .filter(({ start, end }) => start < end);
  }

  /**
   * `memblock_phys_alloc_range`.
   * @param pages - number of contiguous pages
   * @param align - alignment of the first page-frame number, in pages
   * @param use - the use of the pages, for the error
   * @returns the first page-frame number
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  alloc(pages: number, align: number, use: string): Pfn {
    const pfn = this.tryAlloc(pages, align);
    if (pfn !== undefined) return pfn;
    throw new TooSmall(`${use} need ${pages * this.pageBytes} contiguous bytes, which the machine does not have`);
  }

  /**
   * {@link alloc} for callers that handle failure.
   * @param pages - number of contiguous pages
   * @param align - alignment of the first page-frame number, in pages
   * @returns the first page-frame number; `undefined` if no free run is large enough
   */
  tryAlloc(pages: number, align: number): Pfn | undefined {
    for (const range of this.ranges.toReversed()) {
      const pfn = toPfn(Math.floor((range.end - pages) / align) * align);
      if (pfn < range.start) continue;
      if (pfn + pages === range.end) range.end = pfn;
      else this.reserve(pfn, pages);
      return pfn;
    }
    return undefined;
  }

  /** The free runs, ascending, as [first, one past the last] page-frame numbers. */
  free(): readonly (readonly [start: Pfn, end: Pfn])[] {
    return this.ranges.map(({ start, end }) => [toPfn(start), toPfn(end)]);
  }
}
