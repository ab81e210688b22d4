import { toPfn } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";

/** A run of table pages. */
export interface PageRange {
  /** First page-frame number. */
  pfn: Pfn;
  /** Number of pages. */
  pages: number;
}

/**
 * Capacity in ranges: INIT_MEMBLOCK_MEMORY_REGIONS, 128 * 8 (arm64's asm/memory.h), 16 KiB of init data in the series
 * (patch 13, "mm: kpkeys: Introduce early page table allocator").
 */
export const MAX_EARLY_RANGES = 1024;

/** Records table pages from memblock until the key can be set on them. */
export class EarlyRanges {
  private ranges: PageRange[] = [];

  /** @param capacity - largest number of ranges */
  constructor(private readonly capacity: number = MAX_EARLY_RANGES) {}

  /**
   * Records a page. Only the newest range is extended, upwards or downwards: memblock allocates neighbours in one direction at a
   * time.
   * @param pfn - page-frame number
   * @returns whether it was recorded; if not, all ranges are in use and the page stays unprotected
   */
  record(pfn: Pfn): boolean {
    const last = this.ranges.at(-1);
    if (last !== undefined && pfn === last.pfn + last.pages) {
      last.pages++;
      return true;
    }
    if (last !== undefined && pfn + 1 === last.pfn) {
      last.pfn = toPfn(last.pfn - 1);
      last.pages++;
      return true;
    }
    if (this.ranges.length === this.capacity) return false;
    this.ranges.push({ pfn, pages: 1 });
    return true;
  }

  /** Returns all ranges and clears the record, as init data is discarded. */
  drain(): readonly PageRange[] {
    const drained = this.ranges;
    this.ranges = [];
    return drained;
  }
}
