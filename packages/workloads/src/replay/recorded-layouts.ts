import { toVirtAddr } from "@kpkeys/core/contracts";
import type { UserLayout } from "@kpkeys/core/contracts";

const GIB = 1n << 30n;

/** vm.mmap_min_addr and arch_randomize_brk, alike on all of these. */
const COMMON = { lowest: toVirtAddr(0x10000n), brkRandom: GIB };

/**
 * The user halves of the kernels that recordings come from. A recording need not come from a machine like the one that replays it, and
 * its stacks and mappings are where its own kernel put them; its addresses tell the halves apart, which differ in their size.
 */
export const RECORDED_LAYOUTS: readonly UserLayout[] = [
  // riscv, Sv39: STACK_RND_MASK of asm/elf.h, ARCH_MMAP_RND_BITS_MAX of its Kconfig.
  { ...COMMON, stackTop: toVirtAddr(1n << 38n), stackRandom: GIB, mmapRandom: 1n << 36n },
  // arm64 with 39 bits, of Android and small boards.
  { ...COMMON, stackTop: toVirtAddr(1n << 39n), stackRandom: GIB, mmapRandom: 1n << 36n },
  // x86-64 with four levels; with five only mappings that ask for it are above.
  { ...COMMON, stackTop: toVirtAddr((1n << 47n) - 4096n), stackRandom: 16n * GIB, mmapRandom: 1n << 44n },
  // arm64 with 48 bits; with 52 only mappings that ask for it are above.
  { ...COMMON, stackTop: toVirtAddr(1n << 48n), stackRandom: GIB, mmapRandom: 1n << 45n },
];
