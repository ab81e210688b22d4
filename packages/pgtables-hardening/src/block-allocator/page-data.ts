import { toPfn } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";

/**
 * The blocks of the pool. Linux stores them in 8 bytes of each page's struct page, over `mapping` (`private` is not free: it holds
 * the page-table lock):
 *
 * ```text
 *   63                       32 31                        1  0
 *   | free pages of the block  |                          | in_block |
 *     in the first page only                                in each page
 * ```
 *
 * All pages of a block enter and leave it together, so one count for each block is equivalent.
 */
export class PageData {
  private readonly free = new Map<Pfn, number>();

  /** @param blockPages - pages of a block */
  constructor(private readonly blockPages: number) {}

  /** The blocks, each by its first page. */
  get blocks(): Iterable<Pfn> {
    return this.free.keys();
  }

  /**
   * Whether a page belongs to a block.
   * @param pfn - page-frame number
   */
  inBlock(pfn: Pfn): boolean {
    return this.free.has(this.blockOf(pfn));
  }

  /**
   * Number of pages of a block that are in the pool.
   * @param block - first page of the block
   */
  freePages(block: Pfn): number {
    return this.free.get(block) ?? 0;
  }

  /**
   * The first page of the naturally aligned block that contains a page.
   * @param pfn - page-frame number
   */
  blockOf(pfn: Pfn): Pfn {
    return toPfn(pfn - (pfn % this.blockPages));
  }

  /**
   * Makes pages a block, none of them in the pool.
   * @param block - first page
   */
  makeBlock(block: Pfn): void {
    this.free.set(block, 0);
  }

  /**
   * Breaks up a block: its pages belong to no block from now on.
   * @param block - first page
   */
  dissolve(block: Pfn): void {
    this.free.delete(block);
  }

  /**
   * Counts a page that enters or leaves the pool, if it belongs to a block.
   * @param pfn - page-frame number
   * @param change - 1 or -1
   */
  count(pfn: Pfn, change: number): void {
    const block = this.blockOf(pfn);
    const before = this.free.get(block);
    if (before !== undefined) this.free.set(block, before + change);
  }
}
