import { EntryType, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { EntryKeys, Geometry, Level, PageTableFormat, Pfn, Protection, Words } from "@kpkeys/core/contracts";
import { tableIndex } from "@kpkeys/core/machine";
import { ADDRESS_HIGH, Bit, HighBit, KEY_HIGH, KEY_SHIFT } from "./entry-bits.js";
import { LAST_LEVEL, X86_4_LEVELS } from "./geometry.js";
import { LeafState } from "./leaf-state.js";

/** Low-word bits that must be 0 in a table entry, by level: PS in the PML4, and in the PML5 above it. */
const TABLE_RESERVED_LOW = [Bit.PS, 0, 0, 0];
/** Low-word bits that must be 0 in a leaf, by level: those between PAT and the output address. */
const LEAF_RESERVED_LOW = [0, 0x3fffe000, 0x001fe000, 0];

/**
 * Whether an entry has a bit set that every long-mode CPU reserves, or an output address beyond MAXPHYADDR (SDM, volume 3,
 * "4-Level Paging and 5-Level Paging"). XD, which is reserved only while IA32_EFER.NXE is 0, is not checked.
 *
 * @param level - level of the entry, 0 being the PML4, -1 the PML5
 * @param isLeaf - whether it is a leaf
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 * @param physicalAddressBits - MAXPHYADDR, 32 to 52
 * @returns whether the walk must reject it
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

const { P, RW, US, A, D, PS, G, PAT_LARGE } = Bit;
const { XD } = HighBit;
const { INVALID, LEAF, TABLE: TABLE_ENTRY } = EntryType;

/** Leaf bits by Linux's names. */
const PROTECTIONS: PageTableFormat["protections"] = {
  PAGE_KERNEL: protection(P | RW | A | D | G, XD),
  PAGE_KERNEL_RO: protection(P | A | G, XD),
  PAGE_KERNEL_ROX: protection(P | A | G),
  PAGE_KERNEL_EXEC: protection(P | RW | A | D | G),
  PAGE_NONE: protection(A | G),
  PAGE_READONLY: protection(P | US | A, XD),
  PAGE_READONLY_EXEC: protection(P | US | A),
  PAGE_SHARED: protection(P | RW | US | A, XD),
  PAGE_SHARED_EXEC: protection(P | RW | US | A),
};

/** The protection key, bits 62:59. */
export const ENTRY_KEYS: EntryKeys = {
  pkeyOf: (high) => toPkey((high & KEY_HIGH) >>> KEY_SHIFT),
  pkeyChange: (pkey) => ({ clear: protection(0, KEY_HIGH), set: protection(0, pkey << KEY_SHIFT) }),
};

/** Attribute changes by name. */
const ATTRIBUTES: PageTableFormat["attributes"] = {
  ro: { clear: protection(RW | D), set: protection(0) },
  rw: { clear: protection(0), set: protection(RW) },
  nx: { clear: protection(0), set: protection(0, XD) },
  x: { clear: protection(0, XD), set: protection(0) },
  invalid: { clear: protection(P | RW | D), set: protection(0) },
  valid: { clear: protection(0), set: protection(P | RW) },
};

/** The codec of long-mode page tables of one geometry. */
class X86Format extends LeafState implements PageTableFormat {
  readonly protections = PROTECTIONS;
  readonly entryKeys = ENTRY_KEYS;
  readonly attributes = ATTRIBUTES;
  readonly index: PageTableFormat["index"];
  private readonly pml4: number;
  private readonly last: number;

  constructor(
    private readonly physicalAddressBits: number,
    readonly geometry: Geometry,
  ) {
    super();
    this.index = tableIndex(geometry);
    this.last = geometry.levels.length - 1;
    this.pml4 = this.last - LAST_LEVEL;
  }

  makeTable(pfn: Pfn, user: boolean): Words {
    return { high: (pfn / 0x100000) | 0, low: (pfn << 12) | P | RW | A | D | (user ? US : 0) };
  }

  makeLeaf(level: Level, pfn: Pfn, { high, low }: Protection): Words {
    return { high: (pfn / 0x100000) | high, low: (pfn << 12) | low | (level === this.last ? 0 : PS) };
  }

  splitLeaf({ high, low }: Words, level: Level): Words {
    if (level + 1 !== this.last) return { high, low };
    // In a PTE the bit of PS is PAT.
    return { high, low: (low & PAT_LARGE) === 0 ? low & ~PS : low & ~PAT_LARGE };
  }

  typeOf(level: Level, high: number, low: number): EntryType {
    const { pml4, physicalAddressBits } = this;
    const isLeaf = level === this.last || (level > pml4 && (low & PS) !== 0);
    if ((low & P) === 0 || hasReservedBits(level - pml4, isLeaf, high, low, physicalAddressBits)) return INVALID;
    return isLeaf ? LEAF : TABLE_ENTRY;
  }

  isPresent(_high: number, low: number): boolean {
    return (low & (P | G)) !== 0;
  }

  pfnOf(high: number, low: number): Pfn {
    return toPfn((high & ADDRESS_HIGH) * 0x100000 + (low >>> 12));
  }
}

/**
 * Makes the codec of long-mode page tables. An entry that is not present keeps its address as it is. Linux inverts the address there,
 * against L1TF, a flaw that this machine does not have.
 *
 * @param physicalAddressBits - MAXPHYADDR, 36 to 52
 * @param geometry - the shape of the tables, one of {@link X86_GEOMETRIES}; 4-level paging if left out
 * @returns the codec
 */
export function createPageTableFormat(physicalAddressBits: number, geometry: Geometry = X86_4_LEVELS): PageTableFormat {
  return new X86Format(physicalAddressBits, geometry);
}
