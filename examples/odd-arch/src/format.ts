import { EntryType, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { Geometry, PageTableFormat, Pfn, Pkey, Protection, Words } from "@kpkeys/core/contracts";
import { tableIndex } from "@kpkeys/core/machine";

// #region bits
// An entry of an architecture that does not exist: pages of 16 KiB, three levels of 2,048 entries, and inverted permission bits. A
// leaf with all bits 5:2 set grants the fewest rights.
//
//   63  62    58  57 48  47            14  13 10  9     8     7      6    5   4   3   2   1  0
//   0   ~key      0      output address    0      kept  local clean  old  nUX nU  nX  nW  type: 0 nothing, 1 leaf, 2 table
//
// The key field has five bits for three keys; a leaf with another key is a reserved-bit fault. The software bit "kept" marks an
// invalid entry that keeps its address.

/** Bits of the low word of an entry. */
export const Bit = {
  LEAF: 0x1,
  TABLE: 0x2,
  TYPE: 0x3,
  NO_WRITE: 0x4,
  NO_KERNEL_FETCH: 0x8,
  NO_USER: 0x10,
  NO_USER_FETCH: 0x20,
  OLD: 0x40,
  CLEAN: 0x80,
  LOCAL: 0x100,
  KEPT: 0x200,
  RESERVED: 0x3c00,
} as const;
// #endregion bits

export const PAGE_SHIFT = 14;
/** Output address bits 47 to 32, in the high word. */
export const ADDRESS_HIGH = 0xffff;
/** Number of keys. The field could encode 32. */
export const KEYS = 3;
const KEY_SHIFT = 26;
const KEY_FIELD = 31;
const KEY_MASK = KEY_FIELD << KEY_SHIFT;
/** Reserved bits of the high word. */
export const RESERVED_HIGH: number = ~(KEY_MASK | ADDRESS_HIGH);
/** Page frames per unit of the high word. */
const PFNS_PER_HIGH_WORD = 2 ** (32 - PAGE_SHIFT);

/** Shifts of the levels, the top one first. */
export const SHIFTS = [36, 25, 14] as const;
const INDEX_BITS = 11;
export const ADDRESS_BITS = 47;
const LAST_LEVEL = 2;

const { LEAF, TABLE, TYPE, NO_WRITE, NO_KERNEL_FETCH, NO_USER, NO_USER_FETCH, OLD, CLEAN, LOCAL, KEPT } = Bit;
const RIGHTS = NO_WRITE | NO_KERNEL_FETCH | NO_USER | NO_USER_FETCH | LOCAL;

function kernel(withheld: number): Protection {
  return { high: KEY_MASK, low: LEAF | NO_USER | NO_USER_FETCH | withheld };
}

function user(withheld: number, type: number = LEAF): Protection {
  return { high: KEY_MASK, low: type | NO_KERNEL_FETCH | LOCAL | CLEAN | withheld };
}

function change(clear: number, set: number): { clear: Protection; set: Protection } {
  return { clear: { high: 0, low: clear }, set: { high: 0, low: set } };
}

/** The key of a leaf. */
export function keyOf(high: number): Pkey {
  return toPkey(KEY_FIELD - ((high >>> KEY_SHIFT) & KEY_FIELD));
}

function typeOf(level: number, low: number): EntryType {
  const type = low & TYPE;
  if (type === LEAF) return level === 0 ? EntryType.INVALID : EntryType.LEAF;
  return type === TABLE && level !== LAST_LEVEL ? EntryType.TABLE : EntryType.INVALID;
}

function entryOf(pfn: Pfn, high: number, low: number): Words {
  return { high: Math.floor(pfn / PFNS_PER_HIGH_WORD) | high, low: (pfn << PAGE_SHIFT) | low };
}

/** The shape of the tables. */
const GEOMETRY: Geometry = {
  pageShift: PAGE_SHIFT,
  levels: [
    { name: "pgd", shift: SHIFTS[0], indexBits: INDEX_BITS, leaf: false },
    { name: "pmd", shift: SHIFTS[1], indexBits: INDEX_BITS, leaf: true },
    { name: "pte", shift: SHIFTS[2], indexBits: INDEX_BITS, leaf: true },
  ],
  addressBits: ADDRESS_BITS,
  splitRoots: false,
};

/** The codec. */
export const FORMAT: PageTableFormat = {
  geometry: GEOMETRY,
  protections: {
    PAGE_KERNEL: kernel(NO_KERNEL_FETCH),
    PAGE_KERNEL_RO: kernel(NO_KERNEL_FETCH | NO_WRITE),
    PAGE_KERNEL_ROX: kernel(NO_WRITE),
    PAGE_KERNEL_EXEC: kernel(0),
    PAGE_NONE: user(NO_WRITE | NO_USER | NO_USER_FETCH, KEPT),
    PAGE_READONLY: user(NO_WRITE | NO_USER_FETCH),
    PAGE_READONLY_EXEC: user(NO_WRITE),
    PAGE_SHARED: user(NO_USER_FETCH),
    PAGE_SHARED_EXEC: user(0),
  },
  attributes: {
    ro: change(0, NO_WRITE),
    rw: change(NO_WRITE, 0),
    nx: change(0, NO_KERNEL_FETCH),
    x: change(NO_KERNEL_FETCH, 0),
    invalid: change(TYPE, KEPT),
    valid: change(TYPE | KEPT, LEAF),
  },
  index: tableIndex(GEOMETRY),
  makeTable: (pfn) => entryOf(pfn, 0, TABLE),
  makeLeaf: (_level, pfn, { high, low }) => entryOf(pfn, high, low),
  // Blocks and pages have the same attribute bits.
  splitLeaf: (leaf) => leaf,
  typeOf: (level, _high, low) => typeOf(level, low),
  isPresent: (_high, low) => (low & (TYPE | KEPT)) !== 0,
  pfnOf: (high, low) => toPfn((high & ADDRESS_HIGH) * PFNS_PER_HIGH_WORD + (low >>> PAGE_SHIFT)),
  pkeyOf: keyOf,
  pkeyChange: (key) => ({
    clear: { high: KEY_MASK, low: 0 },
    set: { high: (KEY_FIELD - key) << KEY_SHIFT, low: 0 },
  }),
  isWritable: (_high, low) => (low & NO_WRITE) === 0,
  isYoung: (_high, low) => (low & OLD) === 0,
  isDirty: (_high, low) => (low & CLEAN) === 0,
  isUser: (_high, low) => (low & NO_USER) === 0,
  makeWritable: ({ high, low }) => ({ high, low: low & ~NO_WRITE }),
  makeReadOnly: ({ high, low }) => ({ high, low: low | NO_WRITE }),
  makeYoung: ({ high, low }) => ({ high, low: low & ~OLD }),
  makeOld: ({ high, low }) => ({ high, low: low | OLD }),
  makeDirty: ({ high, low }) => ({ high, low: low & ~CLEAN }),
  makeClean: ({ high, low }) => ({ high, low: low | CLEAN }),
  reprotect({ high, low }, protection) {
    const changed = RIGHTS | TYPE | KEPT;
    return { high, low: (low & ~changed) | (protection.low & changed) };
  },
};
