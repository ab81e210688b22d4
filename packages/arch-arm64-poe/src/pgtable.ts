import type { PgtableArch, Setter } from "@kpkeys/core/contracts";
import { Bit, HighBit } from "./format.js";

// What is imported is loaded each time; what stands here is folded.
const { VALID, USER } = Bit;
const { UXN } = HighBit;
/** Bytes of a page. */
const PAGE = 0x1000n;
/** FIXADDR_TOP: one past the highest fixmap slot. */
const FIXMAP_TOP = 0xffffffffff800000n;
/** Number of fixmap slots that the model kernel uses; one table of pages maps them all. */
const FIXMAP_SLOTS = 8n;

/**
 * How Linux writes page tables on arm64: addresses from asm/memory.h and Documentation/arch/arm64/memory.rst (48 bits, no KASLR),
 * static tables from arch/arm64/mm/fixmap.c and the linker script, barriers from asm/pgtable.h.
 *
 * `bm_pte` stands for bm_pud, bm_pmd and bm_pte; the first 128 MiB of the vmalloc area are left to the image.
 */
export const ARM64_PGTABLE: PgtableArch = {
  layout: {
    linearMap: 0xffff000000000000n,
    image: 0xffff800080000000n,
    vmallocStart: 0xffff800088000000n,
    vmallocEnd: 0xfffffdffbf800000n,
    vmemmap: 0xfffffdffc0000000n,
    structPageSize: 64,
    fixmap: FIXMAP_TOP - FIXMAP_SLOTS * PAGE,
    userEnd: 1n << 48n,
    ramBase: 0x80000000n,
    imageOffset: 0x200000,
  },
  // STACK_RND_MASK of asm/elf.h and ARCH_MMAP_RND_BITS_MAX of arch/arm64/Kconfig, both for pages of 4 KiB and 48 bits;
  // arch_randomize_brk and mmap_base of mm/util.c.
  userLayout: {
    lowest: 0x10000n,
    stackTop: 1n << 48n,
    stackRandom: 0x40000n * PAGE,
    mmapRandom: (1n << 33n) * PAGE,
    brkRandom: 1n << 30n,
  },
  staticTables: [
    { symbol: "swapper_pg_dir", role: "root", pages: 1, protection: "rodata" },
    { symbol: "init_pg_dir", role: "image", pages: 8, protection: "pkey" },
    { symbol: "bm_pte", role: "fixmap", pages: 3, protection: "pkey" },
  ],
  rootTableAddress: "fixmap",
  earlyTableAddress: "fixmap",
  lazyLeaveElidesBarrier: true,
  tlbBroadcast: true,
  contPteOrder: 4,
  linearMapProtection: "PAGE_KERNEL",
  // Of entries of pages only a new kernel mapping must be seen at once; a user's is met with a spurious fault at worst.
  barrierAfter: (setter, high, low) =>
    setter === "set_pte" ? (low & (VALID | USER)) === VALID && (high & UXN) !== 0 : isBarrierAfterTable(setter, low),
};

function isBarrierAfterTable(setter: Setter, low: number): boolean {
  switch (setter) {
    case "set_pmd":
    case "set_pud":
      return (low & VALID) !== 0;
    case "set_p4d":
    case "set_pgd":
      return true;
    default:
      return false;
  }
}
