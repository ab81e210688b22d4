import { toPhysAddr, toVirtAddr } from "@kpkeys/core/contracts";
import type { PgtableArch } from "@kpkeys/core/contracts";

/** The layout of the address space, and the conventions of the kernel on this architecture. */
export const PGTABLE: PgtableArch = {
  layout: {
    linearMap: toVirtAddr(0xffffc00000000000n),
    image: toVirtAddr(0xffffffff82000000n),
    vmallocStart: toVirtAddr(0xffffe00000000000n),
    vmallocEnd: toVirtAddr(0xffffe80000000000n),
    vmemmap: toVirtAddr(0xfffff00000000000n),
    structPageSize: 64,
    fixmap: toVirtAddr(0xffffffffff000000n),
    userEnd: toVirtAddr(1n << 46n),
    ramBase: toPhysAddr(0x40000000),
    imageOffset: 0x2000000,
  },
  // Random offsets: stacks within 2^16 pages, the mmap area within 2^26 pages.
  userLayout: {
    lowest: toVirtAddr(0x10000n),
    stackTop: toVirtAddr(1n << 46n),
    stackRandom: 1n << 30n,
    mmapRandom: 1n << 40n,
    brkRandom: 1n << 30n,
  },
  staticTables: [
    { symbol: "swapper_pg_dir", role: "root", pages: 1, protection: "pkey" },
    { symbol: "image_tables", role: "image", pages: 6, protection: "pkey" },
    { symbol: "fixmap_tables", role: "fixmap", pages: 2, protection: "pkey" },
  ],
  rootTableAddress: "image",
  earlyTableAddress: "linear",
  lazyLeaveElidesBarrier: true,
  tlbBroadcast: true,
  linearMapProtection: "PAGE_KERNEL",
  barrierAfter: (setter) => setter.startsWith("set_"),
};
