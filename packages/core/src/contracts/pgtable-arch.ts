import type { PhysAddr, VirtAddr } from "./numbers.js";
import type { ProtectionName } from "./page-table-format.js";
import type { Setter } from "./setters.js";
import { token } from "./token.js";
import type { Token } from "./token.js";
import type { UserLayout } from "./user-layout.js";

/** The layout of the kernel's half of the address space. All addresses are page-aligned. */
export interface KernelLayout {
  /** Start of the linear map: PAGE_OFFSET. The first byte of RAM is mapped here. */
  readonly linearMap: VirtAddr;
  /** Address at which the kernel image is mapped. */
  readonly image: VirtAddr;
  /** Start of the vmalloc area. */
  readonly vmallocStart: VirtAddr;
  /** One past the vmalloc area. */
  readonly vmallocEnd: VirtAddr;
  /** Start of the module area: MODULES_VADDR. The architecture has both bounds or neither; without them, modules are in the vmalloc area. */
  readonly modulesStart?: VirtAddr;
  /** One past the module area: MODULES_END. */
  readonly modulesEnd?: VirtAddr;
  /** Address of the struct page of the first page of RAM. */
  readonly vmemmap: VirtAddr;
  /** Bytes of a struct page. */
  readonly structPageSize: number;
  /** Address of the lowest fixmap slot; slots are one page each. */
  readonly fixmap: VirtAddr;
  /** One past the highest user address: TASK_SIZE. */
  readonly userEnd: VirtAddr;
  /** Physical address of the start of RAM, unless the machine's specification gives another. */
  readonly ramBase: PhysAddr;
  /** Bytes from the start of RAM to the kernel image. */
  readonly imageOffset: number;
}

/**
 * Table pages inside the kernel image.
 *
 * - `root` — the kernel's top-level table
 * - `image` — tables that map the kernel image
 * - `fixmap` — tables that map the fixmap
 */
export interface StaticTables {
  /** Linux's symbol: `swapper_pg_dir`, `init_pg_dir`, `level3_kernel_pgt`. */
  readonly symbol: string;
  /** Their use. */
  readonly role: "root" | "image" | "fixmap";
  /** Number of pages reserved. */
  readonly pages: number;
  /** How they are protected: by a key, or by becoming read-only in `mark_rodata_ro`. */
  readonly protection: "pkey" | "rodata";
}

/** Memory for the code of BPF programs: the range EXECMEM_BPF of `execmem_info`, and `jit_fill_hole` of the JIT. */
export interface BpfCode {
  /** The area in which the code is. The modules' area is near the kernel image, so that a direct call reaches the helpers. */
  readonly range: "vmalloc" | "modules";
  /** Four bytes of instructions that trap, with which the JIT fills memory without a program: INT3 four times, BRK. */
  readonly trap: number;
}

/** How Linux writes page tables on this architecture. */
export interface PgtableArch {
  /** The address-space layout. */
  readonly layout: KernelLayout;
  /** The layout of the user's half. */
  readonly userLayout: UserLayout;
  /** Static table pages, as data. */
  readonly staticTables: readonly StaticTables[];
  /** The address through which `init_mm`'s top-level table is written: a fixmap slot mapped for the write, or the image alias. */
  readonly rootTableAddress: "fixmap" | "image";
  /** The address through which tables are written while the linear map is created. */
  readonly earlyTableAddress: "fixmap" | "linear";
  /**
   * Whether leaving a lazy MMU section skips the synchronisation of the key register, because the pending barrier of the section follows
   * immediately (patch "arm64: kpkeys: Batch KPKEYS_CTX_PGTABLES switches").
   */
  readonly lazyLeaveElidesBarrier: boolean;
  /** Whether a TLB invalidation is broadcast to all CPUs (TLBI IS) or needs an IPI for each. */
  readonly tlbBroadcast: boolean;
  /**
   * Order of a contiguous range of pages (arm64: CONT_PTE_SHIFT - PAGE_SHIFT), in which `vmalloc_huge` allocates memory below 2 MiB; none if
   * left out.
   */
  readonly contPteOrder?: number;
  /** MAX_PAGE_ORDER, the order of the buddy allocator's largest blocks; 10 if left out. */
  readonly maxPageOrder?: number;
  /**
   * Whether struct pages are mapped by blocks; true if left out. `vmemmap_populate` of arm64 uses blocks with 4 KiB pages only, because a
   * larger block would hold the struct pages of many GiB.
   */
  readonly vmemmapBlocks?: boolean;
  /** Memory for the code of BPF programs. If left out: the vmalloc area, and 0, which many instruction sets reserve as undefined. */
  readonly bpfCode?: BpfCode;
  /** Protection of the linear map's leaves. */
  readonly linearMapProtection: ProtectionName;
  /**
   * Whether mainline emits barriers after a setter (DSB ISHST and ISB on arm64, none on x86): `queue_pte_barriers`.
   * @param setter - the setter
   * @param high - bits 63 to 32 of the entry written
   * @param low - bits 31 to 0 of the entry written
   */
  barrierAfter(setter: Setter, high: number, low: number): boolean;
}

/** Token of {@link PgtableArch}. */
export const PgtableArch: Token<PgtableArch> = token("PgtableArch");
