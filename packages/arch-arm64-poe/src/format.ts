import { EntryType, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { PageTableFormat, Protection, ProtectionName } from "@kpkeys/core/contracts";
import { tableIndex } from "@kpkeys/core/machine";
import { Bit, HighBit, POINDEX, POINDEX_SHIFT, TAGGED } from "./entry-bits.js";
import { ARM64_4K_48 } from "./geometry.js";
import type { Arm64Geometry } from "./geometry.js";
import {
  isDirty,
  isUser,
  isWritable,
  isYoung,
  makeClean,
  makeDirty,
  makeOld,
  makeReadOnly,
  makeWritable,
  makeYoung,
  reprotect,
} from "./leaf-state.js";

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

/** Attribute changes by name. */
const ATTRIBUTES: PageTableFormat["attributes"] = {
  ro: { clear: protection(DBM, 0), set: protection(0, RDONLY) },
  rw: { clear: protection(0, RDONLY), set: protection(DBM, 0) },
  nx: { clear: protection(0, 0), set: protection(PXN, 0) },
  x: { clear: protection(PXN, 0), set: protection(0, 0) },
  invalid: { clear: protection(0, VALID), set: protection(0, NG) },
  valid: { clear: protection(0, NG), set: protection(0, VALID) },
};

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
    attributes: ATTRIBUTES,
    index: tableIndex(geometry),
    // Linux sets PXNTable and UXNTable in the linear map's tables and the one of them that fits in others; indirect permissions
    // ignore them.
    makeTable: (pfn, user) => ({
      high: output.high(pfn) | (user ? PXN_TABLE : PXN_TABLE | UXN_TABLE),
      low: output.low(pfn) | AF | TABLE | VALID,
    }),
    makeLeaf: (level, pfn, { high, low }) => ({
      high: output.high(pfn) | high,
      low: output.low(pfn) | (level === last ? low : low & ~TABLE),
    }),
    splitLeaf: ({ high, low }, level) => ({
      high: high & ~HighBit.CONT,
      low: level + 1 === last ? low | TABLE : low,
    }),
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
    isYoung,
    isDirty,
    isUser,
    makeWritable,
    makeReadOnly,
    makeYoung,
    makeOld,
    makeDirty,
    makeClean,
    reprotect,
  };
}

/** The codec of VMSAv8-64 stage 1 tables, 4 KiB granule, four levels, 48-bit addresses in both halves. */
export const ARM64_FORMAT: PageTableFormat = createFormat(ARM64_4K_48);
