import { EntryType, toPfn } from "@kpkeys/core/contracts";
import type { Geometry, PageTableFormat, Protection, Words } from "@kpkeys/core/contracts";
import { tableIndex } from "@kpkeys/core/machine";

// #region format
// An entry. It has no key: the key is kept with the frame that it maps.
//
//   63  48  47            12  11 9  8     7  6  5  4  3  2  1      0
//   0       output address    0     kept  G  D  A  U  X  W  table  valid
//
// The software bit "kept" marks an invalid entry that keeps its address.

/** Bits of the low word of an entry. */
export const Bit = {
  VALID: 0x1,
  TABLE: 0x2,
  TYPE: 0x3,
  WRITE: 0x4,
  FETCH: 0x8,
  USER: 0x10,
  ACCESSED: 0x20,
  DIRTY: 0x40,
  GLOBAL: 0x80,
  KEPT: 0x100,
  RESERVED: 0xe00,
} as const;
// #endregion format

const { VALID, TABLE, TYPE, WRITE, FETCH, USER, ACCESSED, DIRTY, GLOBAL, KEPT } = Bit;
/** Output address bits 47 to 32, in the high word. */
export const ADDRESS_HIGH = 0xffff;

const leaf = (low: number): Protection => ({ high: 0, low: VALID | ACCESSED | low });
const change = (clear: number, set: number): { clear: Words; set: Words } => ({
  clear: { high: 0, low: clear },
  set: { high: 0, low: set },
});
const setting = ({ high, low }: Words, bits: number): Words => ({ high, low: low | bits });
const clearing = ({ high, low }: Words, bits: number): Words => ({ high, low: low & ~bits });

/** The shape of the tables: pages of 4 KiB, four levels, one root. */
export const GEOMETRY: Geometry = {
  pageShift: 12,
  levels: [
    { name: "pgd", shift: 39, indexBits: 9, leaf: false },
    { name: "pud", shift: 30, indexBits: 9, leaf: true },
    { name: "pmd", shift: 21, indexBits: 9, leaf: true },
    { name: "pte", shift: 12, indexBits: 9, leaf: true },
  ],
  addressBits: 48,
  splitRoots: false,
};
const LAST_LEVEL = 3;
/** The bits of a protection that pte_modify replaces. */
const RIGHTS = VALID | WRITE | FETCH | USER | GLOBAL | KEPT;

/** The codec. It has no `entryKeys`. */
export const FORMAT: PageTableFormat = {
  geometry: GEOMETRY,
  protections: {
    PAGE_KERNEL: leaf(WRITE | DIRTY | GLOBAL),
    PAGE_KERNEL_RO: leaf(GLOBAL),
    PAGE_KERNEL_ROX: leaf(FETCH | GLOBAL),
    PAGE_KERNEL_EXEC: leaf(WRITE | FETCH | DIRTY | GLOBAL),
    PAGE_NONE: { high: 0, low: KEPT | ACCESSED },
    PAGE_READONLY: leaf(USER),
    PAGE_READONLY_EXEC: leaf(USER | FETCH),
    PAGE_SHARED: leaf(USER | WRITE),
    PAGE_SHARED_EXEC: leaf(USER | WRITE | FETCH),
  },
  attributes: {
    ro: change(WRITE, 0),
    rw: change(0, WRITE),
    nx: change(FETCH, 0),
    x: change(0, FETCH),
    invalid: change(VALID, KEPT),
    valid: change(KEPT, VALID),
  },
  index: tableIndex(GEOMETRY),
  makeTable: (pfn) => ({ high: pfn >>> 20, low: (pfn << 12) | TABLE | VALID }),
  makeLeaf: (_level, pfn, { high, low }) => ({ high: (pfn >>> 20) | high, low: (pfn << 12) | low }),
  splitLeaf: (block) => block,
  typeOf(level, _high, low) {
    if ((low & TYPE) === TYPE) return level === LAST_LEVEL ? EntryType.INVALID : EntryType.TABLE;
    return (low & VALID) === 0 || level === 0 ? EntryType.INVALID : EntryType.LEAF;
  },
  isPresent: (_high, low) => (low & (VALID | KEPT)) !== 0,
  pfnOf: (high, low) => toPfn((high & ADDRESS_HIGH) * 2 ** 20 + (low >>> 12)),
  isWritable: (_high, low) => (low & WRITE) !== 0,
  isYoung: (_high, low) => (low & ACCESSED) !== 0,
  isDirty: (_high, low) => (low & DIRTY) !== 0,
  isUser: (_high, low) => (low & USER) !== 0,
  makeWritable: (entry) => setting(entry, WRITE),
  makeReadOnly: (entry) => clearing(entry, WRITE),
  makeYoung: (entry) => setting(entry, ACCESSED),
  makeOld: (entry) => clearing(entry, ACCESSED),
  makeDirty: (entry) => setting(entry, DIRTY),
  makeClean: (entry) => clearing(entry, DIRTY),
  reprotect: (entry, { low }) => setting(clearing(entry, RIGHTS), low & RIGHTS),
};
