import { toPfn } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";

/**
 * What is known of the blocks in the pool. Linux keeps it in 8 bytes of each page's struct page, over `mapping` (`private` is no
 * place for it: the page-table lock lies there):
 *
 * ```text
 *   63                       32 31                        1  0
 *   | free pages of the block  |                          | in_block |
 *     in the first page alone                               in each page
 * ```
 *
 * All pages of a block enter and leave it together, so that one count for each block says the same.
 */
export interface PageData {
  /** The blocks, each by its first page. */
  readonly blocks: Iterable<Pfn>;
  /**
   * Whether a page belongs to a block.
   * @param pfn - page-frame number
   */
  inBlock(pfn: Pfn): boolean;
  /**
   * How many pages of a block are in the pool.
   * @param block - first page of the block
   */
  freePages(block: Pfn): number;
  /**
   * The first page of the block that a page belongs, or would belong, to.
   * @param pfn - page-frame number
   */
  blockOf(pfn: Pfn): Pfn;
  /**
   * Makes pages a block, none of them free.
   * @param block - first page
   */
  makeBlock(block: Pfn): void;
  /**
   * Forgets a block: its pages are ordinary ones from now on.
   * @param block - first page
   */
  dissolve(block: Pfn): void;
  /**
   * Counts a page that enters the pool (1) or leaves it (-1), if it belongs to a block.
   * @param pfn - page-frame number
   * @param change - 1 or -1
   */
  count(pfn: Pfn, change: number): void;
}

/**
 * Makes the record of blocks.
 * @param blockPages - pages of a block
 * @returns no block yet
 */
export function createPageData(blockPages: number): PageData {
  const free = new Map<Pfn, number>();
  const blockOf = (pfn: Pfn): Pfn => toPfn(pfn - (pfn % blockPages));
  return {
    get blocks() {
      return free.keys();
    },
    inBlock: (pfn) => free.has(blockOf(pfn)),
    freePages: (block) => free.get(block) ?? 0,
    blockOf,
    makeBlock(block) {
      free.set(block, 0);
    },
    dissolve(block) {
      free.delete(block);
    },
    count(pfn, change) {
      const block = blockOf(pfn);
      const before = free.get(block);
      if (before !== undefined) free.set(block, before + change);
    },
  };
}
