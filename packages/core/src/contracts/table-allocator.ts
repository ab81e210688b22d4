import type { Errno } from "./errno.js";
import type { Pfn } from "./numbers.js";

/** Flags of an allocation, as far as table pages have them: bits, joined by `|`. */
export const Gfp = {
  /** `GFP_KERNEL`: ordinary kernel memory; the caller may sleep. */
  KERNEL: 0x1,
  /** `__GFP_ZERO`: the page is full of zeroes. */
  ZERO: 0x2,
  /** `__GFP_ACCOUNT`: charged to the memory cgroup of the task. */
  ACCOUNT: 0x4,
  /** `__GFP_PGTABLE_SPLIT`: for splitting a block of the linear map; may draw on what is kept for that (v6). */
  PGTABLE_SPLIT: 0x8,
} as const;

/**
 * Where table pages come from once the buddy allocator is up, in place of the buddy allocator itself: the other policy of
 * page-table hardening (v6, patch "mm: kpkeys: Introduce block-based page table allocator"). A feature takes the slot with
 * `ExtensionPoints.setTableAllocator`; then no `tablePageAllocated` and no `tablePageFreeing` handler runs, because the allocator
 * stands for both.
 *
 * Splitting a block of the linear map needs table pages, and giving a key to a page may need a split. Therefore a splitter calls
 * {@link prepareSplit} while it holds nothing, takes the lock of the linear map and asks {@link readyForSplit}; on `false` it gives
 * the lock back and begins again. One split takes up to two pages, each with {@link Gfp} PGTABLE_SPLIT.
 */
export interface TableAllocator {
  /**
   * Takes a table page.
   * @param source - what for
   * @param gfp - bits of {@link Gfp}
   * @returns its page-frame number, or `undefined` when there is none
   */
  alloc(source: "kernel" | "user", gfp: number): Pfn | undefined;
  /**
   * Gives a table page back.
   * @param pfn - what {@link alloc} gave; nothing points to it any more
   */
  free(pfn: Pfn): void;
  /**
   * Takes a table page while memblock gives them.
   * @param source - what for
   * @returns its page-frame number, or `undefined` for a single page of memblock's that nobody keeps a record of
   */
  allocEarly(source: "early" | "vmemmap"): Pfn | undefined;
  /**
   * `kpkeys_prepare_direct_map_split()`: sees to it that a split finds its pages. Called without the lock of the linear map, so it
   * may itself change the linear map's attributes.
   * @returns 0, or the error that refuses the split
   */
  prepareSplit(): 0 | Errno;
  /**
   * `kpkeys_ready_for_direct_map_split()`: whether a split would find its pages now. Called with the lock of the linear map held.
   */
  readyForSplit(): boolean;
}
