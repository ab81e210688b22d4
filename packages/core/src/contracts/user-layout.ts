import type { VirtAddr } from "./numbers.js";

/**
 * Where Linux puts what execve and mmap place in the user's half, as bytes. The numbers are the bounds of its randomisation
 * (arch_pick_mmap_layout, randomize_stack_top, arch_randomize_brk), so that an address says what can be there:
 *
 * ```
 *   lowest        images, then heaps            mmap area, from its top down        stacks, downward     stackTop
 *   |             |                             |                                   |                    |
 *   +-------------+-----------------------------+-----------------------------------+--------------------+
 *                                               <---------- mmapRandom ------------> <--- stackRandom --->
 * ```
 */
export interface UserLayout {
  /** The lowest address that can be mapped: `vm.mmap_min_addr`. */
  readonly lowest: VirtAddr;
  /** One past the highest address of a stack: STACK_TOP. */
  readonly stackTop: VirtAddr;
  /** How far below STACK_TOP a stack begins at most: STACK_RND_MASK pages. */
  readonly stackRandom: bigint;
  /** How far the mmap area begins below the lowest stack at most: 2 ** ARCH_MMAP_RND_BITS_MAX pages. */
  readonly mmapRandom: bigint;
  /** How far a heap begins above its image at most: arch_randomize_brk. */
  readonly brkRandom: bigint;
}
