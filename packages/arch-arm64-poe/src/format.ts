import { EntryType, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { EntryKeys, Level, PageTableFormat, Pfn, Protection, ProtectionName, Words } from "@kpkeys/core/contracts";
import { tableIndex } from "@kpkeys/core/machine";
import { Bit, HighBit, POINDEX, POINDEX_SHIFT, TAGGED } from "./entry-bits.js";
import { ARM64_4K_48 } from "./geometry.js";
import type { Arm64Geometry } from "./geometry.js";
import { LeafState } from "./leaf-state.js";
import { OutputAddress } from "./output-address.js";

const { VALID, TABLE, USER, RDONLY, SHARED, AF, NG } = Bit;
const { DBM, PXN, UXN, DIRTY, CONT, PXN_TABLE, UXN_TABLE } = HighBit;
const { INVALID, LEAF, TABLE: TABLE_ENTRY } = EntryType;

/** A protection from the bits that are set. */
function protection(high: number, low: number): Protection {
  return { high, low };
}

/**
 * Leaf bits by Linux's names (asm/pgtable-prot.h). PAGE_KERNEL has the memory type of the linear map: Normal memory with tags. With
 * FEAT_LPA2 a descriptor has no SH (PTE_MAYBE_SHARED): TCR_EL1.SH0 and SH1 apply to all of them.
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

/** POIndex. */
export const ENTRY_KEYS: EntryKeys = {
  pkeyOf: (high) => toPkey((high & POINDEX) >>> POINDEX_SHIFT),
  pkeyChange: (pkey) => ({ clear: protection(POINDEX, 0), set: protection(pkey << POINDEX_SHIFT, 0) }),
};

/** The codec of VMSAv8-64 stage 1 tables of one geometry. */
class Arm64Format extends LeafState implements PageTableFormat {
  readonly protections: PageTableFormat["protections"];
  readonly entryKeys = ENTRY_KEYS;
  readonly attributes = ATTRIBUTES;
  readonly index: PageTableFormat["index"];
  private readonly last: number;
  /** Whether each level has blocks. */
  private readonly blocks: readonly boolean[];
  private readonly output: OutputAddress;

  constructor(readonly geometry: Arm64Geometry) {
    super();
    const { levels } = geometry;
    const last = levels.length - 1;
    this.protections = protectionsOf(geometry);
    this.index = tableIndex(geometry);
    this.last = last;
    this.blocks = levels.map(({ leaf }, level) => leaf && level !== last);
    this.output = new OutputAddress(geometry);
  }

  /**
   * Linux sets PXNTable and UXNTable in the linear map's tables, UXNTable in other kernel tables, PXNTable in user tables. Indirect
   * permissions ignore both, so all kernel tables have both.
   */
  makeTable(pfn: Pfn, user: boolean): Words {
    const { output } = this;
    return {
      high: output.high(pfn) | (user ? PXN_TABLE : PXN_TABLE | UXN_TABLE),
      low: output.low(pfn) | AF | TABLE | VALID,
    };
  }

  makeLeaf(level: Level, pfn: Pfn, { high, low }: Protection): Words {
    const { output } = this;
    return {
      high: output.high(pfn) | high,
      low: output.low(pfn) | (level === this.last ? low : low & ~TABLE),
    };
  }

  splitLeaf({ high, low }: Words, level: Level): Words {
    return { high: high & ~CONT, low: level + 1 === this.last ? low | TABLE : low };
  }

  typeOf(level: Level, _high: number, low: number): EntryType {
    if ((low & VALID) === 0) return INVALID;
    if ((low & TABLE) !== 0) return level === this.last ? LEAF : TABLE_ENTRY;
    return this.blocks[level]! ? LEAF : INVALID;
  }

  isPresent(_high: number, low: number): boolean {
    return (low & (VALID | NG)) !== 0;
  }

  pfnOf(high: number, low: number): Pfn {
    return toPfn(this.output.pfn(high, low));
  }
}

/**
 * Makes the codec of VMSAv8-64 stage 1 tables.
 *
 * @param geometry - the shape of the tables, one of {@link ARM64_GEOMETRIES}
 * @returns the codec
 */
export function createFormat(geometry: Arm64Geometry): PageTableFormat {
  return new Arm64Format(geometry);
}

/** The codec of VMSAv8-64 stage 1 tables, 4 KiB granule, four levels, 48-bit addresses in both halves. */
export const ARM64_FORMAT: PageTableFormat = createFormat(ARM64_4K_48);
