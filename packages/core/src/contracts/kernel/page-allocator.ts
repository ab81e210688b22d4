import type { Pfn } from "../numbers.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * The buddy allocator. Blocks are `2 ** order` pages, naturally aligned. Table pages do not come from here directly but
 * through {@link PageTables.allocTable}, which tells the features.
 */
export interface PageAllocator {
  /** Largest order: MAX_PAGE_ORDER. */
  readonly maxOrder: number;
  /** Pages free now. */
  readonly freePages: number;
  /** Pages that the allocator manages. */
  readonly totalPages: number;
  /**
   * Takes a block.
   * @param order - from 0; above {@link maxOrder} there is no block
   * @param movable - whether its content could be moved (__GFP_MOVABLE), as a user's can; such pages lie apart. False if left out.
   * @returns its first page-frame number, or `undefined` when there is none
   */
  alloc(order: number, movable?: boolean): Pfn | undefined;
  /**
   * Gives a block back.
   * @param pfn - its first page-frame number
   * @param order - the order it was taken with
   */
  free(pfn: Pfn, order: number): void;
  /**
   * `shrinker_register`: whom to ask for pages before an allocation fails.
   * @param shrinker - a cache of pages
   */
  registerShrinker(shrinker: Shrinker): void;
}

/** What {@link Shrinker.scan} returns when it cannot free anything now: its locks are held. */
export const SHRINK_STOP = "SHRINK_STOP";

/** A cache that gives pages back when memory is short: `struct shrinker`. */
export interface Shrinker {
  /** Its name in debugfs. */
  readonly name: string;
  /** How many disk seeks it costs to make an object again; 0 for a cache whose half is asked for at once. */
  readonly seeks: number;
  /** How many objects are asked for in one call. */
  readonly batch: number;
  /** `count_objects`: how many objects it could free now. */
  count(): number;
  /**
   * `scan_objects`: frees.
   * @param wanted - how many objects to look at
   * @returns how many it freed, or {@link SHRINK_STOP}
   */
  scan(wanted: number): number | typeof SHRINK_STOP;
}

/** The allocator of early boot, as far as a feature needs it: memblock. */
export interface EarlyMemory {
  /**
   * `memblock_phys_alloc_range`.
   * @param pages - number of contiguous pages
   * @param align - the first page-frame number is a multiple of this
   * @returns the first page-frame number, or `undefined` when there is no such run
   */
  alloc(pages: number, align: number): Pfn | undefined;
  /**
   * `memblock_free_late`: gives pages to the buddy allocator, which is up.
   * @param pfn - first page-frame number
   * @param pages - number of pages
   */
  freeLate(pfn: Pfn, pages: number): void;
}

/** Token of {@link EarlyMemory}. */
export const EarlyMemory: Token<EarlyMemory> = token("EarlyMemory");

/** Token of {@link PageAllocator}. */
export const PageAllocator: Token<PageAllocator> = token("PageAllocator");
