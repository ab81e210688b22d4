import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * The buddy allocator. Blocks are `2 ** order` pages, naturally aligned. Table pages do not come from here directly but
 * through {@link PageTables.allocTable}, which tells the features.
 */
export interface PageAllocator {
  /** Largest order: 10, as Linux has it. */
  readonly maxOrder: number;
  /** Pages free now. */
  readonly freePages: number;
  /** Pages that the allocator manages. */
  readonly totalPages: number;
  /**
   * Takes a block.
   * @param order - 0 to {@link maxOrder}
   * @returns its first page-frame number, or -1 when there is none
   */
  alloc(order: number): number;
  /**
   * Gives a block back.
   * @param pfn - its first page-frame number
   * @param order - the order it was taken with
   */
  free(pfn: number, order: number): void;
}

/** Token of {@link PageAllocator}. */
export const PageAllocator: Token<PageAllocator> = token("PageAllocator");
