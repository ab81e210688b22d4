import { EntryType, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { Entry, PageTableFormat, Protection, ProtectionName, Words } from "@kpkeys/core/contracts";
import { tableIndex } from "@kpkeys/core/machine";
import { ARM64_4K_48 } from "./geometry.js";
import type { Arm64Geometry } from "./geometry.js";

// A VMSAv8-64 descriptor, 4 KiB granule, 48-bit output addresses (Arm ARM, section D8.3); geometry.ts says where others keep the
// address. Software bits as Linux uses them (asm/pgtable-prot.h).
//
//   leaf:   63    62   60  58    56    55     54   53   52    51   50   47              12  11  10  9  8  7      6   4      2  1  0
//           soft  POIndex  soft  soft  DIRTY  UXN  PXN  CONT  DBM  GP   output address      nG  AF  SH    AP[2]  AP1 AttrIndx  T  V
//
//   table:  63    62 61    60        59        47              12  10  1  0
//           NS    APTable  UXNTable  PXNTable  next table          AF  1  V
//
// V valid; T tells a page from nothing at the last level, and a table from a block above. AP[2], read-only, is nDirty with
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
const POINDEX = 7 << POINDEX_SHIFT;
/** Names of the memory types by AttrIndx, as Linux sets MAIR_EL1 up (asm/memory.h). */
export const MEMORY_TYPES = [
  "MEM/NORMAL",
  "MEM/NORMAL-TAGGED",
  "MEM/NORMAL-NC",
  "DEVICE/nGnRnE",
  "DEVICE/nGnRE",
] as const;
/** AttrIndx of Normal memory with tags, MT_NORMAL_TAGGED; MT_NORMAL is 0. */
const TAGGED = 1 << 2;

const { VALID, TABLE, USER, RDONLY, SHARED, AF, NG } = Bit;
const { DBM, PXN, UXN, DIRTY, PXN_TABLE, UXN_TABLE } = HighBit;
const { INVALID, LEAF, TABLE: TABLE_ENTRY } = EntryType;

/** A protection from the bits that are set. */
function protection(high: number, low: number): Protection {
  return { high, low };
}

/**
 * Leaf bits by Linux's names. PAGE_KERNEL is the linear map's: Normal memory with tags. With FEAT_LPA2 a descriptor has no SH
 * (PTE_MAYBE_SHARED): TCR_EL1.SH0 and SH1 say for all of them.
 */
function protectionsOf({ lpa2 }: Arm64Geometry): Readonly<Record<ProtectionName, Protection>> {
  const shared = lpa2 ? 0 : SHARED;
  const kernel = (high: number, low = 0): Protection => protection(high | UXN, low | VALID | TABLE | AF | shared);
  const user = (high: number): Protection => protection(high | PXN, VALID | TABLE | AF | shared | NG | USER | RDONLY);
  return {
    PAGE_KERNEL: kernel(DBM | PXN | DIRTY, TAGGED),
    PAGE_KERNEL_RO: kernel(PXN, RDONLY),
    PAGE_KERNEL_ROX: kernel(0, RDONLY),
    PAGE_KERNEL_EXEC: kernel(DBM | DIRTY),
    PAGE_NONE: protection(PXN | UXN, TABLE | AF | shared | NG | RDONLY),
    PAGE_READONLY: user(UXN),
    PAGE_READONLY_EXEC: user(0),
    PAGE_SHARED: user(UXN | DBM),
    PAGE_SHARED_EXEC: user(DBM),
  };
}

/** What `pte_modify` takes from the new protection. Linux takes the key too, from the VMA; here it stays. */
const MODIFIED: Words = { high: DBM | PXN | UXN, low: VALID | USER | RDONLY | NG };

function isWritable(high: number): boolean {
  return (high & DBM) !== 0;
}

function isHardwareDirty(high: number, low: number): boolean {
  return isWritable(high) && (low & RDONLY) === 0;
}

function makeDirty(entry: Entry): void {
  entry.high |= DIRTY;
  if (isWritable(entry.high)) entry.low &= ~RDONLY;
}

/** Puts output addresses into descriptors of one form, and reads them out. */
interface OutputAddressCodec {
  /** Bits 63 to 32 of a descriptor with an address and nothing else. @param pfn - page-frame number */
  high(pfn: number): number;
  /** Bits 31 to 0 of it. @param pfn - page-frame number */
  low(pfn: number): number;
  /** Bits 63 to 32 of the output address. @param high - bits 63 to 32 of a descriptor @param low - bits 31 to 0 */
  addressHigh(high: number, low: number): number;
}

/** @returns the codec of a geometry's output addresses */
export function outputAddressCodec({ pageShift, outputAddress }: Arm64Geometry): OutputAddressCodec {
  const { highMask, moved = { from: 0, bits: 0, to: 32 } } = outputAddress;
  const pfnsInHighWord = 2 ** (32 - pageShift);
  const movedMask = 2 ** moved.bits - 1;
  const movedShift = moved.to - 32;
  const { from } = moved;
  return {
    high: (pfn) => (pfn / pfnsInHighWord) & highMask,
    low: (pfn) => (pfn << pageShift) | ((((pfn / pfnsInHighWord) >>> movedShift) & movedMask) << from),
    addressHigh: (high, low) => (high & highMask) | (((low >>> from) & movedMask) << movedShift),
  };
}

/**
 * Makes the codec of VMSAv8-64 stage 1 tables.
 *
 * @param geometry - their shape, one of {@link ARM64_GEOMETRIES}
 * @returns the codec
 */
export function createFormat(geometry: Arm64Geometry): PageTableFormat {
  const { levels, pageShift } = geometry;
  const last = levels.length - 1;
  const blocks = levels.map(({ leaf }, level) => leaf && level !== last);
  const pfnsInHighWord = 2 ** (32 - pageShift);
  const output = outputAddressCodec(geometry);
  return {
    geometry,
    protections: protectionsOf(geometry),
    attributes: {
      ro: { clear: protection(DBM, 0), set: protection(0, RDONLY) },
      rw: { clear: protection(0, RDONLY), set: protection(DBM, 0) },
      nx: { clear: protection(0, 0), set: protection(PXN, 0) },
      x: { clear: protection(PXN, 0), set: protection(0, 0) },
      invalid: { clear: protection(0, VALID), set: protection(0, NG) },
      valid: { clear: protection(0, NG), set: protection(0, VALID) },
    },
    index: tableIndex(geometry),
    // Linux sets PXNTable and UXNTable in the linear map's tables and the one of them that fits in others; indirect permissions
    // ignore them.
    makeTable(entry, pfn, isUser) {
      entry.high = output.high(pfn) | (isUser ? PXN_TABLE : PXN_TABLE | UXN_TABLE);
      entry.low = output.low(pfn) | AF | TABLE | VALID;
    },
    makeLeaf(entry, level, pfn, { high, low }) {
      entry.high = output.high(pfn) | high;
      entry.low = output.low(pfn) | (level === last ? low : low & ~TABLE);
    },
    splitLeaf(entry, level) {
      entry.high &= ~HighBit.CONT;
      if (level + 1 === last) entry.low |= TABLE;
    },
    typeOf(level, _high, low) {
      if ((low & VALID) === 0) return INVALID;
      if ((low & TABLE) !== 0) return level === last ? LEAF : TABLE_ENTRY;
      return blocks[level]! ? LEAF : INVALID;
    },
    isPresent: (_high, low) => (low & (VALID | NG)) !== 0,
    pfnOf: (high, low) => toPfn(output.addressHigh(high, low) * pfnsInHighWord + (low >>> pageShift)),
    pkeyOf: (high) => toPkey((high & POINDEX) >>> POINDEX_SHIFT),
    pkeyChange: (key) => ({ clear: protection(POINDEX, 0), set: protection(key << POINDEX_SHIFT, 0) }),
    isWritable,
    isYoung: (_high, low) => (low & AF) !== 0,
    isDirty: (high, low) => (high & DIRTY) !== 0 || isHardwareDirty(high, low),
    isUser: (_high, low) => (low & USER) !== 0,
    makeWritable(entry) {
      entry.high |= DBM;
      if ((entry.high & DIRTY) !== 0) entry.low &= ~RDONLY;
    },
    makeReadOnly(entry) {
      if (isHardwareDirty(entry.high, entry.low)) entry.high |= DIRTY;
      entry.high &= ~DBM;
      entry.low |= RDONLY;
    },
    makeYoung(entry) {
      entry.low |= AF;
    },
    makeOld(entry) {
      entry.low &= ~AF;
    },
    makeDirty,
    makeClean(entry) {
      entry.high &= ~DIRTY;
      entry.low |= RDONLY;
    },
    reprotect(entry, { high, low }) {
      if (isHardwareDirty(entry.high, entry.low)) entry.high |= DIRTY;
      entry.high = (entry.high & ~MODIFIED.high) | (high & MODIFIED.high);
      entry.low = (entry.low & ~MODIFIED.low) | (low & MODIFIED.low);
      if ((entry.high & DIRTY) !== 0) makeDirty(entry);
    },
  };
}

/** The codec of VMSAv8-64 stage 1 tables, 4 KiB granule, four levels, 48-bit addresses in both halves. */
export const ARM64_FORMAT: PageTableFormat = createFormat(ARM64_4K_48);
