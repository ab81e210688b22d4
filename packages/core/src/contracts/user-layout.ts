import type { VirtAddr } from "./numbers.js";

/**
 * The layout of the user's half by execve and mmap, in bytes. The bounds include randomisation (arch_pick_mmap_layout,
 * randomize_stack_top, arch_randomize_brk), so that an address shows its possible use:
 *
 * ```
 *   lowest        images, then heaps            mmap area, from its top down        stacks, downward     stackTop
 *   |             |                             |                                   |                    |
 *   +-------------+-----------------------------+-----------------------------------+--------------------+
 *                                               <---------- mmapRandom ------------> <--- stackRandom --->
 * ```
 */
export interface UserLayout {
  /** The lowest mappable address: `vm.mmap_min_addr`. */
  readonly lowest: VirtAddr;
  /** One past the highest address of a stack: STACK_TOP. */
  readonly stackTop: VirtAddr;
  /** Maximal distance of the start of a stack below STACK_TOP: STACK_RND_MASK pages. */
  readonly stackRandom: bigint;
  /** Maximal distance of the mmap area below the lowest stack: 2 ** ARCH_MMAP_RND_BITS_MAX pages. */
  readonly mmapRandom: bigint;
  /** Maximal distance of a heap above its image: arch_randomize_brk. */
  readonly brkRandom: bigint;
}
