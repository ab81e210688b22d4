import { EntryType, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { AttributeChange, Geometry, PageTableFormat, Pfn, Pkey, Protection, Words } from "@kpkeys/core/contracts";
import { tableIndex } from "@kpkeys/core/machine";

// #region bits
// A leaf, with the bits of a leaf in a POWER radix tree (Linux: arch/powerpc/include/asm/book3s/64/pgtable.h). The pages have 16 KiB,
// so the address starts at bit 14. In memory, an entry is big-endian.
//
//   63  62  61    60  56  55 48  47            14  13 9  8    7    6 4  3     2     1      0
//   V   L   kept  key     0      output address    0     ref  chg  0    priv  read  write  exec
//
//   V     valid                             priv   kernel accesses only; without it, user accesses only
//   L     leaf, not a table                 ref    referenced: hardware sets it (R of POWER)
//   kept  software: invalid, but in use     chg    changed: hardware sets it (C of POWER)
//
// An entry that points to a table has V, the address of the table, and in bits 4 to 0 log2 of the number of its entries (NLS of
// POWER). The type is in the high word alone. Any other bit that is set is a reserved-bit fault.

/** Bits of the high word of an entry. */
export const HighBit = { VALID: 0x80000000 | 0, LEAF: 0x40000000, KEPT: 0x20000000 } as const;

/** Bits of the low word of a leaf. */
export const Bit = {
  EXEC: 0x1,
  WRITE: 0x2,
  READ: 0x4,
  PRIVILEGED: 0x8,
  CHANGED: 0x80,
  REFERENCED: 0x100,
  RESERVED: 0x3e70,
} as const;
// #endregion bits

export const PAGE_SHIFT = 14;
/** Output address bits 47 to 32, in the high word. */
export const ADDRESS_HIGH = 0xffff;
/** Number of keys. */
export const KEYS = 32;
const KEY_SHIFT = 24;
const KEY_FIELD = 31;
const KEY_MASK = KEY_FIELD << KEY_SHIFT;
const { VALID, LEAF, KEPT } = HighBit;
/** Bits of the high word that give the type. */
export const TYPE_MASK: number = VALID | LEAF;
/** Reserved bits of the high word of a leaf. */
export const RESERVED_HIGH: number = ~(TYPE_MASK | KEPT | KEY_MASK | ADDRESS_HIGH);
/** Page frames per unit of the high word. */
const PFNS_PER_HIGH_WORD = 2 ** (32 - PAGE_SHIFT);

/** Shifts of the levels, the top one first. */
export const SHIFTS = [36, 25, 14] as const;
/** Index bits of each level, also in an entry that points to a table. */
export const INDEX_BITS = 11;
export const ADDRESS_BITS = 47;
const LAST_LEVEL = 2;

const { EXEC, WRITE, READ, PRIVILEGED, CHANGED, REFERENCED } = Bit;
const RIGHTS = EXEC | WRITE | READ | PRIVILEGED;

function kernel(rights: number): Protection {
  return { high: VALID | LEAF, low: PRIVILEGED | REFERENCED | CHANGED | rights };
}

function user(rights: number): Protection {
  return { high: VALID | LEAF, low: REFERENCED | rights };
}

function changeLow(clear: number, set: number): AttributeChange {
  return { clear: { high: 0, low: clear }, set: { high: 0, low: set } };
}

function changeHigh(clear: number, set: number): AttributeChange {
  return { clear: { high: clear, low: 0 }, set: { high: set, low: 0 } };
}

/** The key of a leaf. */
export function keyOf(high: number): Pkey {
  return toPkey((high >>> KEY_SHIFT) & KEY_FIELD);
}

function typeOf(level: number, high: number): EntryType {
  const type = high & TYPE_MASK;
  if (type === (VALID | LEAF)) return level === 0 ? EntryType.INVALID : EntryType.LEAF;
  return type === VALID && level !== LAST_LEVEL ? EntryType.TABLE : EntryType.INVALID;
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
  // As on little-endian Linux on POWER.
  byteOrder: "little",
  entryByteOrder: "big",
};

/** The codec. */
export const FORMAT: PageTableFormat = {
  geometry: GEOMETRY,
  protections: {
    PAGE_KERNEL: kernel(READ | WRITE),
    PAGE_KERNEL_RO: kernel(READ),
    PAGE_KERNEL_ROX: kernel(READ | EXEC),
    PAGE_KERNEL_EXEC: kernel(READ | WRITE | EXEC),
    // Linux sets _PAGE_PRIVILEGED alone. Here the page is also invalid, so that the kernel cannot access it either.
    PAGE_NONE: { high: LEAF | KEPT, low: PRIVILEGED | REFERENCED },
    PAGE_READONLY: user(READ),
    PAGE_READONLY_EXEC: user(READ | EXEC),
    PAGE_SHARED: user(READ | WRITE),
    PAGE_SHARED_EXEC: user(READ | WRITE | EXEC),
  },
  attributes: {
    ro: changeLow(WRITE, 0),
    rw: changeLow(0, WRITE),
    nx: changeLow(EXEC, 0),
    x: changeLow(0, EXEC),
    invalid: changeHigh(VALID, KEPT),
    valid: changeHigh(KEPT, VALID),
  },
  index: tableIndex(GEOMETRY),
  makeTable: (pfn) => entryOf(pfn, VALID, INDEX_BITS),
  makeLeaf: (_level, pfn, { high, low }) => entryOf(pfn, high, low),
  // Blocks and pages have the same attribute bits.
  splitLeaf: (leaf) => leaf,
  typeOf: (level, high) => typeOf(level, high),
  isPresent: (high) => (high & (VALID | KEPT)) !== 0,
  pfnOf: (high, low) => toPfn((high & ADDRESS_HIGH) * PFNS_PER_HIGH_WORD + (low >>> PAGE_SHIFT)),
  entryKeys: {
    pkeyOf: keyOf,
    pkeyChange: (pkey) => changeHigh(KEY_MASK, pkey << KEY_SHIFT),
  },
  isWritable: (_high, low) => (low & WRITE) !== 0,
  isYoung: (_high, low) => (low & REFERENCED) !== 0,
  isDirty: (_high, low) => (low & CHANGED) !== 0,
  isUser: (_high, low) => (low & PRIVILEGED) === 0,
  makeWritable: ({ high, low }) => ({ high, low: low | WRITE }),
  makeReadOnly: ({ high, low }) => ({ high, low: low & ~WRITE }),
  makeYoung: ({ high, low }) => ({ high, low: low | REFERENCED }),
  makeOld: ({ high, low }) => ({ high, low: low & ~REFERENCED }),
  makeDirty: ({ high, low }) => ({ high, low: low | CHANGED }),
  makeClean: ({ high, low }) => ({ high, low: low & ~CHANGED }),
  reprotect({ high, low }, protection) {
    const type = TYPE_MASK | KEPT;
    return {
      high: (high & ~type) | (protection.high & type),
      low: (low & ~RIGHTS) | (protection.low & RIGHTS),
    };
  },
};
