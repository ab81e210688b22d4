import type { Errno } from "./errno.js";
import type { Pfn } from "./numbers.js";

/** Flags of the allocation of a table page, as bits. */
export const Gfp = {
  /** `GFP_KERNEL`: ordinary kernel memory; the caller may sleep. */
  KERNEL: 0x1,
  /** `__GFP_ZERO`: the page is full of zeroes. */
  ZERO: 0x2,
  /** `__GFP_ACCOUNT`: charged to the memory cgroup of the task. */
  ACCOUNT: 0x4,
  /** `__GFP_PGTABLE_SPLIT`: for a split of a block of the linear map; may use the reserve for splits (v6). */
  PGTABLE_SPLIT: 0x8,
} as const;

/**
 * An allocator of table pages that replaces the buddy allocator (v6, patch "mm: kpkeys: Introduce block-based page table allocator"). A
 * feature sets it with `ExtensionPoints.setTableAllocator`. Then no `tablePageAllocated` and `tablePageFreeing` handlers run.
 *
 * Splitting a block of the linear map needs table pages, and setting the key of a page may need a split. Therefore a split calls
 * {@link prepareSplit} without a lock, takes the lock of the linear map and calls {@link readyForSplit}; on `false` it releases the lock and
 * starts again. One split allocates up to two pages, each with {@link Gfp} PGTABLE_SPLIT.
 */
export interface TableAllocator {
  /**
   * Allocates a table page.
   * @param source - whether it is for kernel or user addresses
   * @param gfp - bits of {@link Gfp}
   * @returns its page-frame number; `undefined` without memory
   */
  alloc(source: "kernel" | "user", gfp: number): Pfn | undefined;
  /**
   * Frees a table page.
   * @param pfn - a page of {@link alloc} that no entry points to
   */
  free(pfn: Pfn): void;
  /**
   * Allocates a table page during early boot.
   * @param source - whether it is for the linear map or the vmemmap
   * @returns its page-frame number; `undefined` for a page of memblock that the allocator does not record
   */
  allocEarly(source: "early" | "vmemmap"): Pfn | undefined;
  /**
   * `kpkeys_prepare_direct_map_split()`: reserves the pages of a split. Called without the lock of the linear map, so it may change
   * attributes of the linear map.
   * @returns 0, or an error that prevents the split
   */
  prepareSplit(): 0 | Errno;
  /**
   * `kpkeys_ready_for_direct_map_split()`: whether the pages of a split are available. Called with the lock of the linear map held.
   */
  readyForSplit(): boolean;
}
