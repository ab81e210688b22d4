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
 * How many ranges are kept: INIT_MEMBLOCK_MEMORY_REGIONS, 128 * 8 (arm64's asm/memory.h), 16 KiB of init data in the series
 * (patch 13, "mm: kpkeys: Introduce early page table allocator").
 */
export const MAX_EARLY_RANGES = 1024;

/** Remembers table pages from memblock until they can get a key. */
export interface EarlyRanges {
  /**
   * Remembers a page. Only the range that was begun last is extended, upwards or downwards: memblock hands out neighbours in
   * one direction at a time.
   * @param pfn - page-frame number
   * @returns whether it was kept; if not, all ranges are in use and the page stays unprotected
   */
  record(pfn: Pfn): boolean;
  /** Gives all ranges and forgets them, as init data is discarded. */
  take(): readonly PageRange[];
}

/**
 * Makes a recorder.
 *
 * @param capacity - how many ranges it keeps
 * @returns no range yet
 */
export function createEarlyRanges(capacity: number = MAX_EARLY_RANGES): EarlyRanges {
  let ranges: PageRange[] = [];
  return {
    record(pfn) {
      const last = ranges.at(-1);
      if (last !== undefined && pfn === last.pfn + last.pages) {
        last.pages++;
        return true;
      }
      if (last !== undefined && pfn + 1 === last.pfn) {
        last.pfn = toPfn(last.pfn - 1);
        last.pages++;
        return true;
      }
      if (ranges.length === capacity) return false;
      ranges.push({ pfn, pages: 1 });
      return true;
    },
    take() {
      const taken = ranges;
      ranges = [];
      return taken;
    },
  };
}
