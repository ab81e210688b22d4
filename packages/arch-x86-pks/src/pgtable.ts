import { toPhysAddr, toVirtAddr } from "@kpkeys/core/contracts";
import type { BpfCode, Geometry, KernelLayout, PgtableArch, StaticTables, UserLayout } from "@kpkeys/core/contracts";
import { X86_4_LEVELS } from "./geometry.js";

/** Bytes of a page. */
const PAGE = 0x1000n;
/** FIXADDR_TOP: one past the highest fixmap slot. */
const FIXMAP_TOP = 0xffffffffff7ff000n;
/** Number of fixmap slots that the model kernel uses. */
const FIXMAP_SLOTS = 8n;

/** MODULES_VADDR: __START_KERNEL_map + KERNEL_IMAGE_SIZE, which is 1 GiB with CONFIG_RANDOMIZE_BASE. */
const MODULES_START = 0xffffffffc0000000n;
/** MODULES_END. */
const MODULES_END = 0xffffffffff000000n;

/** The kernel's half where it depends on the number of levels (Documentation/arch/x86/x86_64/mm.rst), without KASLR. */
const AREAS = {
  4: {
    linearMap: toVirtAddr(0xffff888000000000n),
    vmallocStart: toVirtAddr(0xffffc90000000000n),
    vmallocEnd: toVirtAddr(0xffffe90000000000n),
    vmemmap: toVirtAddr(0xffffea0000000000n),
    userEnd: toVirtAddr((1n << 47n) - PAGE),
  },
  5: {
    linearMap: toVirtAddr(0xff11000000000000n),
    vmallocStart: toVirtAddr(0xffa0000000000000n),
    vmallocEnd: toVirtAddr(0xffd2000000000000n),
    vmemmap: toVirtAddr(0xffd4000000000000n),
    userEnd: toVirtAddr((1n << 56n) - PAGE),
  },
};

/** DEFAULT_MAP_WINDOW: with five levels too, user mappings are above it only where a hint asks for that. */
const MAP_WINDOW = AREAS[4].userEnd;

/** EXECMEM_DEFAULT, for all code, is the area of the modules (arch/x86/mm/init.c); the JIT fills with INT3, which is 0xcc. */
const BPF_CODE: BpfCode = { range: "modules", trap: 0xcccccccc | 0 };

/** Tables of the image with four levels. A fifth level needs one more for the image and one for the first part of the linear map. */
const IMAGE_TABLES = 12;

/**
 * __STACK_RND_MASK of asm/elf.h, ARCH_MMAP_RND_BITS_MAX of arch/x86/Kconfig, mmap_base of arch/x86/mm/mmap.c and arch_randomize_brk of
 * arch/x86/kernel/process.c, all for 64-bit tasks.
 */
const USER_LAYOUT: UserLayout = {
  lowest: toVirtAddr(0x10000n),
  stackTop: MAP_WINDOW,
  stackRandom: 0x400000n * PAGE,
  mmapRandom: (1n << 32n) * PAGE,
  brkRandom: 1n << 30n,
};

/** How Linux writes page tables of one geometry. */
class X86Pgtable implements PgtableArch {
  readonly layout: KernelLayout;
  readonly userLayout = USER_LAYOUT;
  readonly staticTables: readonly StaticTables[];
  readonly rootTableAddress = "image";
  readonly earlyTableAddress = "linear";
  readonly lazyLeaveElidesBarrier = false;
  readonly tlbBroadcast = false;
  readonly bpfCode: BpfCode = BPF_CODE;
  readonly linearMapProtection = "PAGE_KERNEL";

  constructor({ levels }: Geometry) {
    this.layout = {
      ...AREAS[levels.length === 5 ? 5 : 4],
      image: toVirtAddr(0xffffffff81000000n),
      modulesStart: toVirtAddr(MODULES_START),
      modulesEnd: toVirtAddr(MODULES_END),
      structPageSize: 64,
      fixmap: toVirtAddr(FIXMAP_TOP - FIXMAP_SLOTS * PAGE),
      ramBase: toPhysAddr(0),
      imageOffset: 0x1000000,
    };
    const imageTables = IMAGE_TABLES + 2 * (levels.length - X86_4_LEVELS.levels.length);
    this.staticTables = [
      { symbol: "init_top_pgt", role: "root", pages: 1, protection: "pkey" },
      { symbol: "level3_kernel_pgt", role: "image", pages: imageTables, protection: "pkey" },
      { symbol: "level2_fixmap_pgt", role: "fixmap", pages: 3, protection: "pkey" },
    ];
  }

  barrierAfter(): boolean {
    return false;
  }
}

/**
 * How Linux writes page tables on x86-64: addresses from Documentation/arch/x86/x86_64/mm.rst (no KASLR), static tables from
 * arch/x86/kernel/head_64.S. Stores of entries need no barrier, and an invalidation reaches other CPUs by interrupt.
 *
 * `level3_kernel_pgt` has the pages of all tables that map the image, `level2_fixmap_pgt` those of the fixmap.
 *
 * @param geometry - the shape of the tables, one of {@link X86_GEOMETRIES}
 * @returns the layout and the rules
 */
export function createPgtable(geometry: Geometry): PgtableArch {
  return new X86Pgtable(geometry);
}
