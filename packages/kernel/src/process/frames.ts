import type { PageAllocator, PhysicalMemory } from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";

/** Set beside the count for a page that belongs to a file; a count can be as large as there can be processes. */
const FILE = 0x8000_0000;

/** The frames of user pages: how often each is mapped, and whether a file is behind it. Content they have none. */
export interface UserFrames {
  /**
   * Takes a frame that is mapped once.
   * @param file - whether it belongs to a file
   * @returns its page-frame number, or -1 when there is no memory
   */
  take(file: boolean): number;
  /** Maps a frame once more. */
  share(pfn: number): void;
  /** Unmaps a frame once; the last time it is free. The page of zeroes is not counted. */
  drop(pfn: number): void;
  /** Whether a frame is anonymous and mapped here only, so that a write fault may reuse it: PageAnonExclusive. */
  isExclusive(pfn: number): boolean;
}

/**
 * Makes the book of user frames.
 * @param memory - RAM
 * @param pages - the buddy allocator
 * @param zeroPage - page-frame number of the page of zeroes
 */
export function createUserFrames(memory: PhysicalMemory, pages: PageAllocator, zeroPage: number): UserFrames {
  const { firstPfn } = memory;
  const counts = new Uint32Array(reserve((memory.endPfn - firstPfn) * 4));
  return {
    take(file) {
      const pfn = pages.alloc(0, true);
      if (pfn < 0) return -1;
      counts[pfn - firstPfn] = file ? FILE + 1 : 1;
      return pfn;
    },
    share(pfn) {
      if (pfn !== zeroPage) counts[pfn - firstPfn]!++;
    },
    drop(pfn) {
      if (pfn === zeroPage) return;
      const left = counts[pfn - firstPfn]! - 1;
      counts[pfn - firstPfn] = left;
      if (left === 0 || left === FILE) pages.free(pfn, 0);
    },
    isExclusive: (pfn) => counts[pfn - firstPfn] === 1,
  };
}
