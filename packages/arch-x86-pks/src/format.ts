import { EntryType, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { Entry, Geometry, PageTableFormat, Protection, Words } from "@kpkeys/core/contracts";
import { tableIndex } from "@kpkeys/core/machine";
import { LAST_LEVEL, X86_4_LEVELS } from "./geometry.js";

// An entry of 4-level and 5-level paging (SDM, volume 3, section 4.5); software bits as Linux uses them (asm/pgtable_types.h).
//
//   63  62   59  58    57 52  51              12  11  9  8   7   6   5    4    3   2   1   0
//   XD    key    SD    soft   output address      soft   G   PS  D   A   PCD  PWT  US  RW  P
//
// The key counts in leaves only. PS (bit 7) makes a PDPTE or PDE a leaf, is reserved in a PML4E and is PAT in a PTE; G is the
// kernel's mark of PROT_NONE while P is 0. SD, "saved dirty", holds D while the entry is not writable, because RW=0 with D=1
// means a shadow stack.

/** The bits of an entry's low word. */
export const Bit = {
  /** Present. */
  P: 0x1,
  /** Writable. */
  RW: 0x2,
  /** User-mode address. */
  US: 0x4,
  /** Page-level write-through. */
  PWT: 0x8,
  /** Page-level cache disable. */
  PCD: 0x10,
  /** Accessed. */
  A: 0x20,
  /** Dirty. */
  D: 0x40,
  /** Page size: the entry is a leaf. */
  PS: 0x80,
  /** Global. While P is 0: `_PAGE_PROTNONE`. */
  G: 0x100,
  /** PAT of a leaf above the last level. */
  PAT_LARGE: 0x1000,
} as const;

/** The bits of an entry's high word. */
export const HighBit = {
  /** Linux's `_PAGE_SAVED_DIRTY`, bit 58. */
  SAVED_DIRTY: 0x4000000,
  /** Execute-disable, bit 63. */
  XD: -0x80000000,
} as const;

/** Lowest bit of the key in the high word. */
export const KEY_SHIFT = 27;
/** The key in the high word: bits 62 to 59. */
const KEY_HIGH = 0xf << KEY_SHIFT;
/** Bits 51 to 32 of the output address, in the high word. */
export const ADDRESS_HIGH = 0x000fffff;
/** Bits 31 to 12 of the output address, in the low word. */
const ADDRESS_LOW = ~0xfff;

/** Low-word bits that must be 0 in a table entry, by level: PS in the PML4, and in the PML5 above it. */
const TABLE_RESERVED_LOW = [Bit.PS, 0, 0, 0];
/** Low-word bits that must be 0 in a leaf, by level: those between PAT and the output address. */
const LEAF_RESERVED_LOW = [0, 0x3fffe000, 0x001fe000, 0];

/**
 * Whether an entry has a bit set that every long-mode CPU reserves, or an output address beyond MAXPHYADDR (SDM, volume 3,
 * section 4.5). XD is not judged here: it is reserved only while IA32_EFER.NXE is 0.
 *
 * @param level - where the entry is, 0 being the PML4, -1 the PML5
 * @param isLeaf - whether it is a leaf
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 * @param physicalAddressBits - MAXPHYADDR, 32 to 52
 * @returns whether the walk must refuse it
 */
export function hasReservedBits(
  level: number,
  isLeaf: boolean,
  high: number,
  low: number,
  physicalAddressBits: number,
): boolean {
  const reservedLow = (isLeaf ? LEAF_RESERVED_LOW : TABLE_RESERVED_LOW)[level < 0 ? 0 : level]!;
  return (low & reservedLow) !== 0 || (high & ADDRESS_HIGH) >>> (physicalAddressBits - 32) !== 0;
}

/** A protection from the bits that are set. */
function protection(low: number, high = 0): Protection {
  return { high, low };
}

const { P, RW, US, PWT, PCD, A, D, PS, G, PAT_LARGE } = Bit;
const { SAVED_DIRTY, XD } = HighBit;
const { INVALID, LEAF, TABLE: TABLE_ENTRY } = EntryType;

/** What `pte_modify` keeps: `_PAGE_CHG_MASK`, and the key, which Linux takes from the VMA again. */
const KEPT: Words = { high: ADDRESS_HIGH | SAVED_DIRTY | KEY_HIGH, low: ADDRESS_LOW | PWT | PCD | A | D | PS };

/** Puts the dirty state where it belongs: in D while the entry is writable, else in SD (`pte_mksaveddirty` and its inverse). */
function placeDirty(entry: Entry): void {
  if (!isDirty(entry.high, entry.low)) return;
  makeClean(entry);
  if ((entry.low & RW) !== 0) entry.low |= D;
  else entry.high |= SAVED_DIRTY;
}

function isDirty(high: number, low: number): boolean {
  return (low & D) !== 0 || (high & SAVED_DIRTY) !== 0;
}

function makeClean(entry: Entry): void {
  entry.low &= ~D;
  entry.high &= ~SAVED_DIRTY;
}

/**
 * Makes the codec of long-mode page tables.
 *
 * Entries that are not present keep their address as it is; Linux inverts it there, against L1TF, a flaw that this machine has
 * not.
 *
 * @param physicalAddressBits - MAXPHYADDR, 36 to 52
 * @param geometry - the shape of the tables
 * @returns the codec
 */
export function createPageTableFormat(physicalAddressBits: number, geometry: Geometry = X86_4_LEVELS): PageTableFormat {
  const pml4 = geometry.levels.length - 1 - LAST_LEVEL;
  const last = pml4 + LAST_LEVEL;
  return {
    geometry,
    protections: {
      PAGE_KERNEL: protection(P | RW | A | D | G, XD),
      PAGE_KERNEL_RO: protection(P | A | G, XD),
      PAGE_KERNEL_ROX: protection(P | A | G),
      PAGE_KERNEL_EXEC: protection(P | RW | A | D | G),
      PAGE_NONE: protection(A | G),
      PAGE_READONLY: protection(P | US | A, XD),
      PAGE_READONLY_EXEC: protection(P | US | A),
      PAGE_SHARED: protection(P | RW | US | A, XD),
      PAGE_SHARED_EXEC: protection(P | RW | US | A),
    },
    attributes: {
      ro: { clear: protection(RW | D), set: protection(0) },
      rw: { clear: protection(0), set: protection(RW) },
      nx: { clear: protection(0), set: protection(0, XD) },
      x: { clear: protection(0, XD), set: protection(0) },
      invalid: { clear: protection(P | RW | D), set: protection(0) },
      valid: { clear: protection(0), set: protection(P | RW) },
    },
    index: tableIndex(geometry),
    makeTable(entry, pfn, user) {
      entry.high = (pfn / 0x100000) | 0;
      entry.low = (pfn << 12) | P | RW | A | D | (user ? US : 0);
    },
    makeLeaf(entry, level, pfn, { high, low }) {
      entry.high = (pfn / 0x100000) | high;
      entry.low = (pfn << 12) | low | (level === last ? 0 : PS);
    },
    splitLeaf(entry, level) {
      if (level + 1 !== last) return;
      // In a PTE the bit of PS is PAT.
      entry.low = (entry.low & PAT_LARGE) === 0 ? entry.low & ~PS : entry.low & ~PAT_LARGE;
    },
    typeOf(level, high, low) {
      const isLeaf = level === last || (level > pml4 && (low & PS) !== 0);
      if ((low & P) === 0 || hasReservedBits(level - pml4, isLeaf, high, low, physicalAddressBits)) return INVALID;
      return isLeaf ? LEAF : TABLE_ENTRY;
    },
    isPresent: (_high, low) => (low & (P | G)) !== 0,
    pfnOf: (high, low) => toPfn((high & ADDRESS_HIGH) * 0x100000 + (low >>> 12)),
    pkeyOf: (high) => toPkey((high & KEY_HIGH) >>> KEY_SHIFT),
    pkeyChange: (key) => ({ clear: protection(0, KEY_HIGH), set: protection(0, key << KEY_SHIFT) }),
    isWritable: (_high, low) => (low & RW) !== 0,
    isYoung: (_high, low) => (low & A) !== 0,
    isDirty,
    isUser: (_high, low) => (low & US) !== 0,
    makeWritable(entry) {
      entry.low |= RW;
      placeDirty(entry);
    },
    makeReadOnly(entry) {
      entry.low &= ~RW;
      placeDirty(entry);
    },
    makeYoung(entry) {
      entry.low |= A;
    },
    makeOld(entry) {
      entry.low &= ~A;
    },
    makeDirty(entry) {
      entry.low |= D;
      placeDirty(entry);
    },
    makeClean,
    reprotect(entry, { high, low }) {
      entry.high = (entry.high & KEPT.high) | (high & ~KEPT.high);
      entry.low = (entry.low & KEPT.low) | (low & ~KEPT.low);
      placeDirty(entry);
    },
  };
}
