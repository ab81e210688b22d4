import { toPhysAddr, toVirtAddr } from "@kpkeys/core/contracts";
import type {
  BpfCode,
  KernelLayout,
  PgtableArch,
  Setter,
  StaticTables,
  UserLayout,
  VirtAddr,
} from "@kpkeys/core/contracts";
import { Bit, HighBit } from "./entry-bits.js";
import type { Arm64Geometry } from "./geometry.js";

// Local copies: docs/performance.md, "Imported bindings".
const { VALID, USER } = Bit;
const { UXN } = HighBit;
const MiB = 1n << 20n;
const GiB = 1n << 30n;

/** FIXADDR_TOP: one past the highest fixmap slot. */
const FIXMAP_TOP = -8n * MiB;
/** Number of fixmap slots that the model kernel uses; one table of pages maps them all. */
const FIXMAP_SLOTS = 8n;
/** VMEMMAP_END. */
const VMEMMAP_END = -GiB;
/** MODULES_VSIZE: the modules are between the linear map and the image. */
const MODULES_SIZE = 2n * GiB;
/** Bytes at the start of the vmalloc area that hold the image. */
const IMAGE_SIZE = 128n * MiB;
const STRUCT_PAGE_SIZE = 64;

/** CONT_PTE_SHIFT less PAGE_SHIFT, by log2 of the page size (arch/arm64/Kconfig): 64 KiB, 2 MiB, 2 MiB. */
const CONT_PTE_ORDER: Readonly<Record<number, number>> = { 12: 4, 14: 7, 16: 5 };

/** EXECMEM_BPF is in the vmalloc area (arch/arm64/mm/init.c); AARCH64_BREAK_FAULT is BRK #0x100. */
const BPF_CODE: BpfCode = { range: "vmalloc", trap: 0xd4202000 | 0 };

/** ARCH_FORCE_MAX_ORDER, by log2 of the page size (arch/arm64/Kconfig): 4 MiB, 32 MiB, 512 MiB. */
const MAX_PAGE_ORDER: Readonly<Record<number, number>> = { 12: 10, 14: 11, 16: 13 };

/** ARCH_MMAP_RND_BITS_MAX (arch/arm64/Kconfig): VA_BITS - PAGE_SHIFT - 3, but 27 with 42 bits and every page size. */
function mmapRandomBits(vaBitsMin: number, pageShift: number): number {
  return vaBitsMin === 42 ? 27 : vaBitsMin - pageShift - 3;
}

/** VA_BITS_MIN: user mappings are above it only where a hint asks for that. */
function vaBitsMinOf({ pageShift, addressBits }: Arm64Geometry): number {
  return Math.min(addressBits, pageShift === 14 && addressBits === 52 ? 47 : 48);
}

/** A kernel address from its distance to the end of the address space. */
const upper = (address: bigint): VirtAddr => toVirtAddr(BigInt.asUintN(64, address));

/**
 * The kernel's half, as asm/memory.h and asm/pgtable.h derive it from VA_BITS and the page size, without KASLR:
 *
 * ```text
 *   -2^VA_BITS    -2^(VA_BITS_MIN-1)   +2 GiB                VMEMMAP_START     -1 GiB           -8 MiB
 *   | linear map  | modules            | image, vmalloc      | struct pages    |      fixmap    |
 *     PAGE_OFFSET   MODULES_VADDR        KIMAGE_VADDR                            VMEMMAP_END      FIXADDR_TOP
 * ```
 */
function layoutOf({ pageShift, addressBits }: Arm64Geometry, vaBitsMin: number): KernelLayout {
  const pageOffset = -(1n << BigInt(addressBits));
  const pageEnd = -(1n << BigInt(vaBitsMin - 1));
  const image = pageEnd + MODULES_SIZE;
  const vmemmap = VMEMMAP_END - ((pageEnd - pageOffset) >> BigInt(pageShift)) * BigInt(STRUCT_PAGE_SIZE);
  return {
    linearMap: upper(pageOffset),
    modulesStart: upper(pageEnd),
    modulesEnd: upper(image),
    image: upper(image),
    vmallocStart: upper(image + IMAGE_SIZE),
    vmallocEnd: upper(vmemmap - 8n * MiB),
    vmemmap: upper(vmemmap),
    structPageSize: STRUCT_PAGE_SIZE,
    fixmap: upper(FIXMAP_TOP - (FIXMAP_SLOTS << BigInt(pageShift))),
    userEnd: toVirtAddr(1n << BigInt(addressBits)),
    ramBase: toPhysAddr(0x80000000),
    imageOffset: 0x200000,
  };
}

/** STACK_RND_MASK of asm/elf.h, which is 1 GiB with every page size; arch_randomize_brk and mmap_base of mm/util.c. */
function userLayoutOf(pageShift: number, vaBitsMin: number): UserLayout {
  return {
    lowest: toVirtAddr(0x10000n),
    stackTop: toVirtAddr(1n << BigInt(vaBitsMin)),
    stackRandom: GiB,
    mmapRandom: 1n << BigInt(mmapRandomBits(vaBitsMin, pageShift) + pageShift),
    brkRandom: GiB,
  };
}

/** How Linux writes page tables of one geometry. */
class Arm64Pgtable implements PgtableArch {
  readonly layout: KernelLayout;
  readonly userLayout: UserLayout;
  readonly staticTables: readonly StaticTables[];
  readonly rootTableAddress = "fixmap";
  readonly earlyTableAddress = "fixmap";
  readonly lazyLeaveElidesBarrier = true;
  readonly tlbBroadcast = true;
  readonly contPteOrder: number;
  readonly maxPageOrder: number;
  readonly vmemmapBlocks: boolean;
  readonly bpfCode: BpfCode = BPF_CODE;
  readonly linearMapProtection = "PAGE_KERNEL";

  constructor(geometry: Arm64Geometry) {
    const { pageShift, levels } = geometry;
    const vaBitsMin = vaBitsMinOf(geometry);
    this.layout = layoutOf(geometry, vaBitsMin);
    this.userLayout = userLayoutOf(pageShift, vaBitsMin);
    this.staticTables = [
      { symbol: "swapper_pg_dir", role: "root", pages: 1, protection: "rodata" },
      { symbol: "init_pg_dir", role: "image", pages: 8, protection: "pkey" },
      { symbol: "bm_pte", role: "fixmap", pages: Math.min(3, levels.length - 1), protection: "pkey" },
    ];
    this.contPteOrder = CONT_PTE_ORDER[pageShift]!;
    this.maxPageOrder = MAX_PAGE_ORDER[pageShift]!;
    this.vmemmapBlocks = pageShift === 12;
  }

  /**
   * A PTE needs the barrier only if it is a valid kernel mapping. An access to a user page that does not see the new entry yet takes a
   * spurious fault.
   */
  barrierAfter(setter: Setter, high: number, low: number): boolean {
    if (setter === "set_pte") return (low & (VALID | USER)) === VALID && (high & UXN) !== 0;
    return isBarrierAfterTable(setter, low);
  }
}

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

/**
 * How Linux writes page tables on arm64: addresses from asm/memory.h, static tables from arch/arm64/mm/fixmap.c and the linker
 * script, barriers from asm/pgtable.h.
 *
 * `bm_pte` has the pages of bm_pud, bm_pmd and bm_pte.
 *
 * @param geometry - the shape of the tables, one of {@link ARM64_GEOMETRIES}
 * @returns the layout and the rules
 */
export function createPgtable(geometry: Arm64Geometry): PgtableArch {
  return new Arm64Pgtable(geometry);
}
