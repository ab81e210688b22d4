import { toPfn } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";
import { RESERVED_PAGES } from "./geometry.js";
import type { PageData } from "./page-data.js";

/** The list of cached table pages, all of which have the key PGTABLES. The page freed last is allocated first. */
export class Pool {
  private list: Pfn[] = [];

  /** @param data - counts the pages of blocks */
  constructor(private readonly data: PageData) {}

  /** Number of pages: `nr_cached`. */
  get cached(): number {
    return this.list.length;
  }

  /** Whether the reserve for splits of the linear map is complete. */
  get hasReserve(): boolean {
    return this.list.length >= RESERVED_PAGES;
  }

  /**
   * Removes a page.
   * @param fromReserve - whether it may be a page of the reserve
   * @returns its page-frame number, or `undefined` if there is none
   */
  pop(fromReserve: boolean): Pfn | undefined {
    if (this.list.length <= (fromReserve ? 0 : RESERVED_PAGES)) return undefined;
    const pfn = this.list.pop()!;
    this.data.count(pfn, -1);
    return pfn;
  }

  /**
   * Adds pages.
   * @param pfn - first page-frame number
   * @param pages - number of pages
   */
  add(pfn: Pfn, pages: number): void {
    for (let page = pfn; page < pfn + pages; page = toPfn(page + 1)) {
      this.list.push(page);
      this.data.count(page, 1);
    }
  }

  /**
   * Removes selected pages.
   * @param limit - largest number of pages
   * @param isSelected - called for each page until the limit is reached
   * @returns their page-frame numbers
   */
  remove(limit: number, isSelected: (pfn: Pfn) => boolean): readonly Pfn[] {
    const removed: Pfn[] = [];
    this.list = this.list.filter((pfn) => {
      if (removed.length === limit || !isSelected(pfn)) return true;
      removed.push(pfn);
      return false;
    });
    for (const pfn of removed) this.data.count(pfn, -1);
    return removed;
  }
}
