import { toVirtAddr } from "@kpkeys/core/contracts";
import type { UserLayout } from "@kpkeys/core/contracts";

const GIB = 1n << 30n;

/** vm.mmap_min_addr and arch_randomize_brk, the same for all of these layouts. */
const COMMON = { lowest: toVirtAddr(0x10000n), brkRandom: GIB };

/**
 * The user address spaces of the kernels that recordings come from. The recorded kernel may differ from the replaying machine and places
 * stacks and mappings by its own layout. The layouts differ in size, so the addresses of a recording show which one it is.
 */
export const RECORDED_LAYOUTS: readonly UserLayout[] = [
  // riscv, Sv39: STACK_RND_MASK of asm/elf.h, ARCH_MMAP_RND_BITS_MAX of its Kconfig.
  { ...COMMON, stackTop: toVirtAddr(1n << 38n), stackRandom: GIB, mmapRandom: 1n << 36n },
  // arm64 with 39 bits: Android and small boards.
  { ...COMMON, stackTop: toVirtAddr(1n << 39n), stackRandom: GIB, mmapRandom: 1n << 36n },
  // x86-64 with four levels. With five levels only mappings with a high hint address are above.
  { ...COMMON, stackTop: toVirtAddr((1n << 47n) - 4096n), stackRandom: 16n * GIB, mmapRandom: 1n << 44n },
  // arm64 with 48 bits. With 52 bits only mappings with a high hint address are above.
  { ...COMMON, stackTop: toVirtAddr(1n << 48n), stackRandom: GIB, mmapRandom: 1n << 45n },
];
