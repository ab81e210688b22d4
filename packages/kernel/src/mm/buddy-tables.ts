import { Gfp } from "@kpkeys/core/contracts";
import type { ExtensionPoints, PageAllocator, TableAllocator } from "@kpkeys/core/contracts";

/**
 * Table pages from the buddy allocator, one by one, as Linux has them when no feature allocates them: the features are told of
 * each. A block of the linear map can be split whenever there is memory.
 *
 * @param pages - the buddy allocator
 * @param zero - fills a page with zeroes; before the page has a key, so that no context is needed
 * @param extensions - the features told
 */
export function createBuddyTables(
  pages: PageAllocator,
  zero: (pfn: number) => void,
  extensions: ExtensionPoints,
): TableAllocator {
  const onAllocated = extensions.handlers("tablePageAllocated");
  const onFreeing = extensions.handlers("tablePageFreeing");

  /** Asks the features; when one refuses, those asked before are told that the page goes back. */
  function refused(pfn: number): boolean {
    for (let i = 0; i < onAllocated.length; i++) {
      if (onAllocated[i]!(pfn) >= 0) continue;
      while (--i >= 0) onFreeing[i]?.(pfn);
      return true;
    }
    return false;
  }

  return {
    allocEarly: () => -1,
    alloc(_source, gfp) {
      const pfn = pages.alloc(0);
      if (pfn < 0) return -1;
      if ((gfp & Gfp.ZERO) !== 0) zero(pfn);
      if (!refused(pfn)) return pfn;
      pages.free(pfn, 0);
      return -1;
    },
    free(pfn) {
      for (const handler of onFreeing) handler(pfn);
      pages.free(pfn, 0);
    },
    prepareSplit: () => 0,
    readyForSplit: () => true,
  };
}
