// A VMSAv8-64 descriptor, 4 KiB granule, 48-bit output addresses (Arm ARM, "VMSAv8-64 descriptor formats"); geometry.ts has
// the positions of other output addresses. Software bits as Linux uses them (asm/pgtable-prot.h).
//
//   leaf:   63    62   60  58    56    55     54   53   52    51   50   47              12  11  10  9  8  7      6   4      2  1  0
//           soft  POIndex  soft  soft  DIRTY  UXN  PXN  CONT  DBM  GP   output address      nG  AF  SH    AP[2]  AP1 AttrIndx  T  V
//
//   table:  63    62 61    60        59        47              12  10  1  0
//           NS    APTable  UXNTable  PXNTable  next table          AF  1  V
//
// V valid. T at the last level: 1 page, 0 reserved; above: 1 table, 0 block. AP[2], read-only, is nDirty with
// indirect permissions; PIIndex is UXN, PXN, DBM, AP[1]. While V is 0 Linux keeps PRESENT_INVALID in bit 11.

/** The bits of a descriptor's low word. */
export const Bit = {
  /** Valid. */
  VALID: 0x1,
  /** A table, or a page of the last level; clear in a block. */
  TABLE: 0x2,
  /** AP[1]: EL0 has access. Linux: PTE_USER. */
  USER: 0x40,
  /** AP[2]: read-only; nDirty with indirect permissions. Linux: PTE_RDONLY. */
  RDONLY: 0x80,
  /** SH: inner shareable. */
  SHARED: 0x300,
  /** Access flag. */
  AF: 0x400,
  /** Not global. While VALID is 0, Linux's PTE_PRESENT_INVALID. */
  NG: 0x800,
} as const;

/** The bits of a descriptor's high word. */
export const HighBit = {
  /** Bit 51, dirty bit modifier. Linux: PTE_WRITE. */
  DBM: 0x80000,
  /** Bit 50: guarded page. */
  GP: 0x40000,
  /** Bit 52: one of 16 contiguous entries. */
  CONT: 0x100000,
  /** Bit 53: no privileged execution. */
  PXN: 0x200000,
  /** Bit 54: no unprivileged execution. */
  UXN: 0x400000,
  /** Bit 55, software: Linux's PTE_DIRTY. */
  DIRTY: 0x800000,
  /** Bit 59 of a table descriptor: no privileged execution below. */
  PXN_TABLE: 0x8000000,
  /** Bit 60 of a table descriptor: no unprivileged execution below. */
  UXN_TABLE: 0x10000000,
} as const;

/** Lowest bit of POIndex in the high word. */
export const POINDEX_SHIFT = 28;
/** POIndex in the high word: bits 62 to 60. */
export const POINDEX: number = 7 << POINDEX_SHIFT;
/** Names of the memory types by AttrIndx, as Linux sets MAIR_EL1 up (asm/memory.h). */
export const MEMORY_TYPES = [
  "MEM/NORMAL",
  "MEM/NORMAL-TAGGED",
  "MEM/NORMAL-NC",
  "DEVICE/nGnRnE",
  "DEVICE/nGnRE",
] as const;
/** AttrIndx of Normal memory with tags, MT_NORMAL_TAGGED; MT_NORMAL is 0. */
export const TAGGED: number = 1 << 2;
