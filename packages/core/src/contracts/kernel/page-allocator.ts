import type { Pfn } from "../numbers.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * The buddy allocator. Blocks have `2 ** order` pages and are naturally aligned. Table pages are allocated with
 * {@link PageTables.allocTable}, which notifies the features.
 */
export interface PageAllocator {
  /** Largest order: MAX_PAGE_ORDER. */
  readonly maxOrder: number;
  /** Pages free now. */
  readonly freePages: number;
  /** Pages that the allocator manages. */
  readonly totalPages: number;
  /**
   * Allocates a block.
   * @param order - 0 to {@link maxOrder}; there is no larger block
   * @param movable - whether it is movable (__GFP_MOVABLE), as user pages are; such pages are in separate blocks. False if left out
   * @returns its first page-frame number; `undefined` without memory
   */
  alloc(order: number, movable?: boolean): Pfn | undefined;
  /**
   * Frees a block.
   * @param pfn - its first page-frame number
   * @param order - the order of its allocation
   */
  free(pfn: Pfn, order: number): void;
  /**
   * `shrinker_register`: adds a cache that frees pages before an allocation fails.
   * @param shrinker - a cache of pages
   */
  registerShrinker(shrinker: Shrinker): void;
}

/** Result of {@link Shrinker.scan} if it cannot free objects now, because its locks are held. */
export const SHRINK_STOP = "SHRINK_STOP";

/** A cache that frees pages if memory is short: `struct shrinker`. */
export interface Shrinker {
  /** Its name in debugfs. */
  readonly name: string;
  /** Cost of an object in disk seeks; with 0, one scan requests half of the cache. */
  readonly seeks: number;
  /** Number of objects requested in one call. */
  readonly batch: number;
  /** `count_objects`: the number of objects that can be freed now. */
  count(): number;
  /**
   * `scan_objects`: frees objects.
   * @param wanted - number of objects to scan
   * @returns the number of freed objects, or {@link SHRINK_STOP}
   */
  scan(wanted: number): number | typeof SHRINK_STOP;
}

/** The allocator of early boot: the functions of memblock that features use. */
export interface EarlyMemory {
  /**
   * `memblock_phys_alloc_range`.
   * @param pages - number of contiguous pages
   * @param align - the first page-frame number is a multiple of this
   * @returns the first page-frame number; `undefined` without memory
   */
  alloc(pages: number, align: number): Pfn | undefined;
  /**
   * `memblock_free_late`: frees pages to the buddy allocator, which must be initialised.
   * @param pfn - first page-frame number
   * @param pages - number of pages
   */
  freeLate(pfn: Pfn, pages: number): void;
}

/** Token of {@link EarlyMemory}. */
export const EarlyMemory: Token<EarlyMemory> = token("EarlyMemory");

/** Token of {@link PageAllocator}. */
export const PageAllocator: Token<PageAllocator> = token("PageAllocator");
