import { toPhysAddr, toVirtAddr } from "@kpkeys/core/contracts";
import type { PgtableArch } from "@kpkeys/core/contracts";

/** The layout of the address space, and the conventions of the kernel. The top-level table is written through the fixmap, as on arm64. */
export const PGTABLE: PgtableArch = {
  layout: {
    linearMap: toVirtAddr(0xffff800000000000n),
    image: toVirtAddr(0xffffffff82000000n),
    vmallocStart: toVirtAddr(0xffffe00000000000n),
    vmallocEnd: toVirtAddr(0xffffe80000000000n),
    vmemmap: toVirtAddr(0xfffff00000000000n),
    structPageSize: 64,
    fixmap: toVirtAddr(0xffffffffff000000n),
    userEnd: toVirtAddr(1n << 47n),
    ramBase: toPhysAddr(0),
    imageOffset: 0x2000000,
  },
  // Random offsets: stacks within 2^18 pages, the mmap area within 2^28 pages.
  userLayout: {
    lowest: toVirtAddr(0x10000n),
    stackTop: toVirtAddr(1n << 47n),
    stackRandom: 1n << 30n,
    mmapRandom: 1n << 40n,
    brkRandom: 1n << 30n,
  },
  staticTables: [
    { symbol: "swapper_pg_dir", role: "root", pages: 1, protection: "pkey" },
    { symbol: "image_tables", role: "image", pages: 12, protection: "pkey" },
    { symbol: "fixmap_tables", role: "fixmap", pages: 3, protection: "pkey" },
  ],
  rootTableAddress: "fixmap",
  earlyTableAddress: "fixmap",
  lazyLeaveElidesBarrier: false,
  tlbBroadcast: true,
  linearMapProtection: "PAGE_KERNEL",
  barrierAfter: () => false,
};
