import { toPfn } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";
import { RESERVED_PAGES } from "./geometry.js";
import type { PageData } from "./page-data.js";

/** The one list of table pages that wait to be used: all of them have the key PGTABLES already. */
export interface Pool {
  /** Pages in it: `nr_cached`. */
  readonly cached: number;
  /**
   * Takes a page.
   * @param fromReserve - whether it may be one of the reserve, which is for splits of the linear map
   * @returns its page-frame number, or `undefined` when there is none to be had
   */
  take(fromReserve: boolean): Pfn | undefined;
  /**
   * Puts pages in.
   * @param pfn - first page-frame number
   * @param pages - number of pages
   */
  add(pfn: Pfn, pages: number): void;
  /**
   * Takes chosen pages out.
   * @param limit - how many at most
   * @param chosen - asked of each page until there are enough
   * @returns their page-frame numbers
   */
  remove(limit: number, chosen: (pfn: Pfn) => boolean): readonly Pfn[];
}

/**
 * Makes an empty pool. The page used last is the first to be used again.
 * @param data - counts the pages of blocks
 */
export function createPool(data: PageData): Pool {
  let list: Pfn[] = [];
  return {
    get cached() {
      return list.length;
    },
    take(fromReserve) {
      if (list.length <= (fromReserve ? 0 : RESERVED_PAGES)) return undefined;
      const pfn = list.pop()!;
      data.count(pfn, -1);
      return pfn;
    },
    add(pfn, pages) {
      for (let page = pfn; page < pfn + pages; page = toPfn(page + 1)) {
        list.push(page);
        data.count(page, 1);
      }
    },
    remove(limit, chosen) {
      const removed: Pfn[] = [];
      list = list.filter((pfn) => {
        if (removed.length === limit || !chosen(pfn)) return true;
        removed.push(pfn);
        return false;
      });
      for (const pfn of removed) data.count(pfn, -1);
      return removed;
    },
  };
}
