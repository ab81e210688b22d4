import { FaultKind } from "../contracts/index.js";
import { toPfn } from "../contracts/numbers.js";
import type { WalkStep } from "../contracts/index.js";
import { swapBytes } from "../words.js";
import type { SparseMemory } from "./physical-memory.js";
import type { TranslationRegime, Walk } from "./regime.js";

// Local copies: docs/performance.md, "Imported bindings".
const { NONE, TRANSLATION, ADDRESS_SIZE } = FaultKind;
/** The page-frame number of an output address of 2^31 pages or more; the offset in a block leaves it negative. */
const OUT_OF_RANGE = -(2 ** 31);

/** The table is in RAM and holds only zeroes. */
const NO_CONTENT = -1;
/** The table is outside RAM. */
const NOT_RAM = -2;
/** The root of a half without tables. The walk ends as at `reserved_pg_dir`, a table of zeroes: with a translation fault of level 0. */
export const NO_ROOT = -1;

// The geometry as the walk reads it: sixteen words a level.
const LEVEL_WORDS_SHIFT = 4;
/** Number of address bits that index a table. */
const BITS = 0;
/** Pages that a leaf maps, less one. */
const LEAF_PAGES = 1;
const TYPE_MASK = 2;
const TABLE = 3;
const LEAF = 4;
const LEAF_ACCESSED = 5;
/** Distance of the value for the high word from that for the low word, of the type mask and both types. */
const HIGH_WORD = 4;
const TYPE_MASK_HIGH: number = TYPE_MASK + HIGH_WORD;

function packLevels({ levels, addressBits }: TranslationRegime): Int32Array {
  const packed = new Int32Array(levels.length << LEVEL_WORDS_SHIFT);
  const pageShift = levels.at(-1)!.shift;
  levels.forEach(({ shift, typeMask, table, leaf, leafAccessed = 0, high }, level) => {
    const bits = (levels[level - 1]?.shift ?? addressBits) - shift;
    const leafPages = 2 ** (shift - pageShift) - 1;
    const highWords = high === undefined ? [0, 0, 0] : [high.typeMask, high.table, high.leaf];
    packed.set([bits, leafPages, typeMask, table, leaf, leafAccessed, ...highWords], level << LEVEL_WORDS_SHIFT);
  });
  return packed;
}

/**
 * The hardware walk of page tables in physical memory, for accesses, tools and audits. It does not check rights and keys: the caller
 * does.
 *
 * ```text
 *   address   63 .. addressBits | index of level 0 | index of level 1 | ... | index of the last level | offset in the page |
 *             canonical         | any number       | each level has the bits between its shift and    | pageShift bits     |
 *                               | of bits          | the shift of the level above                    |                    |
 * ```
 */
export class Walker {
  /** The result of the last walk. */
  readonly walk: Walk = {
    level: 0,
    table: 0,
    index: 0,
    high: 0,
    low: 0,
    tablesAndLow: -1,
    tablesOrHigh: 0,
    kernelHalf: false,
    pfn: 0,
  };
  private readonly packed: Int32Array;
  private readonly words: Int32Array;
  private readonly swapsEntries: boolean;
  private readonly pageShift: number;
  private readonly unusedBits: number;
  private readonly addressMask: number;
  private readonly movedFrom: number;
  private readonly movedMask: number;
  private readonly movedTo: number;

  /**
   * @param regime - the architecture's geometry, decoding and checks
   * @param memory - physical memory that holds the tables
   */
  constructor(
    private readonly regime: TranslationRegime,
    private readonly memory: SparseMemory,
  ) {
    const { highMask, moved = { from: 0, bits: 0, to: 32 } } = regime.outputAddress;
    this.packed = packLevels(regime);
    this.words = memory.words;
    this.swapsEntries = memory.swapsEntries;
    this.pageShift = regime.levels.at(-1)!.shift;
    this.unusedBits = 64 - regime.addressBits;
    this.addressMask = highMask;
    this.movedFrom = moved.from;
    this.movedMask = 2 ** moved.bits - 1;
    this.movedTo = moved.to - 32;
  }

  /**
   * Walks from a root to a leaf. Fills in {@link walk}, whose `pfn` is valid only after NONE.
   * @param high - bits 63 to 32 of a canonical address
   * @param low - bits 31 to 0
   * @param root - page-frame number of the top-level table
   * @param userRootIndex - index of the first entry of the user's root in its page; not used for the kernel's half
   * @param update - whether to set the accessed flags that a walk sets; `false` for a walk without side effects
   * @param visit - receives each step
   * @returns NONE if a leaf was found, even if its frame is outside RAM; ADDRESS_SIZE, at the level of the entry that points to
   *   it, for a table outside RAM; otherwise the reason why there is no leaf
   */
  run(
    high: number,
    low: number,
    root: number,
    userRootIndex: number,
    update: boolean,
    visit: ((step: WalkStep) => void) | undefined,
  ): FaultKind {
    const { packed, walk, regime } = this;
    // Step 1. The walk starts at the root with the highest translated bits of the address.
    // Arm ARM: AArch64.S1InitialTTWState(). SDM: CR3.
    let restHigh = (high << this.unusedBits) | (low >>> (32 - this.unusedBits));
    let restLow = low << this.unusedBits;
    let table = root | 0;
    this.begin(high);
    let start = walk.kernelHalf ? 0 : userRootIndex;
    for (let level = 0; ; level++) {
      // Step 2. The next address bits are the index of the entry.
      // Arm ARM: AArch64.S1SLTTEntryAddress(), AArch64.TTEntryAddress().
      const geometry = level << LEVEL_WORDS_SHIFT;
      const bits = packed[geometry + BITS]!;
      const index = start + (restHigh >>> (32 - bits));
      restHigh = (restHigh << bits) | (restLow >>> (32 - bits));
      restLow <<= bits;

      // Step 3. The entry is read from physical memory. A table outside RAM is an error of the entry that points to it.
      // Arm ARM: FetchDescriptor(). Linux: TTBR0_EL1 of a kernel thread has reserved_pg_dir, which has no entry.
      const content = this.contentOf(table);
      if (content === NOT_RAM) return this.endOutsideRam(level, table, index);
      this.readEntry(level, table, index, content);
      const entryHigh = walk.high;
      const entryLow = walk.low;

      // Step 4. Bits of both words give the type: a table, a leaf, or invalid.
      // Arm ARM: AArch64.DecodeDescriptorType(). SDM: P and PS. POWER: _PAGE_PRESENT and _PAGE_PTE.
      const typeHigh = entryHigh & packed[geometry + TYPE_MASK_HIGH]!;
      const type = entryLow & packed[geometry + TYPE_MASK]!;
      const isTable = this.isType(geometry + TABLE, typeHigh, type);
      const isLeaf = !isTable && this.isType(geometry + LEAF, typeHigh, type);
      if (visit !== undefined) visit(this.stepOf(isTable, isLeaf));
      if (!isTable && !isLeaf) return TRANSLATION;

      // Step 5. Reserved bits and the size of the output address.
      // Arm ARM: AArch64.OAOutOfRange(). SDM: RSVD in "Page-Fault Exceptions".
      const kind = regime.checkEntry(level, isLeaf, entryHigh, entryLow);
      if (kind !== NONE) return kind;

      // Step 6. The accessed flag, where the walk itself sets it. SDM: "Accessed and Dirty Flags".
      const accessed = isLeaf ? packed[geometry + LEAF_ACCESSED]! : regime.tableAccessed;
      if (update) this.setAccessed(isLeaf, accessed);

      // Step 7. A leaf ends the walk; the bits of the address below its size are the offset.
      // Arm ARM: AArch64.LeafBase(), StageOA().
      const pfn = this.frameOf(entryHigh, entryLow);
      if (isLeaf) {
        const offsetMask = packed[geometry + LEAF_PAGES]!;
        const page = (high << (32 - this.pageShift)) | (low >>> this.pageShift);
        walk.pfn = (pfn & ~offsetMask) | (page & offsetMask);
        return NONE;
      }

      // Step 8. The rights of a table entry limit those below it.
      // Arm ARM: "Hierarchical permissions". SDM: "Access Rights".
      walk.tablesAndLow &= entryLow;
      walk.tablesOrHigh |= entryHigh;
      table = pfn;
      start = 0;
    }
  }

  /** Writes the leaf of the last walk back to its table. */
  writeLeaf(): void {
    const { table, index, high, low } = this.walk;
    this.memory.writeEntry(table, index, { high, low });
  }

  /**
   * Reads an entry into {@link walk}.
   * @param content - offset of the table's words in physical memory, or {@link NO_CONTENT}
   */
  private readEntry(level: number, table: number, index: number, content: number): void {
    if (content === NO_CONTENT) {
      this.endAt(level, table, index, 0, 0);
      return;
    }
    const at = content | (index << 1);
    const low = this.words[at]!;
    const high = this.words[at + 1]!;
    if (this.swapsEntries) this.endAt(level, table, index, swapBytes(low), swapBytes(high));
    else this.endAt(level, table, index, high, low);
  }

  /** Whether an entry has a type. @param type - index of the type's value in {@link packed} */
  private isType(type: number, high: number, low: number): boolean {
    return low === this.packed[type]! && high === this.packed[type + HIGH_WORD]!;
  }

  /** Ends the walk at a table outside RAM. @returns the fault, of the entry that points to the table */
  private endOutsideRam(level: number, table: number, index: number): FaultKind {
    if (level === 0) this.endAt(0, table, index, 0, 0);
    return table === NO_ROOT ? TRANSLATION : ADDRESS_SIZE;
  }

  /** The offset of a table's words in physical memory, {@link NO_CONTENT} or {@link NOT_RAM}. */
  private contentOf(table: number): number {
    const { memory } = this;
    const offset = memory.contentOffset(table);
    if (offset !== -1) return offset;
    if (memory.isRun(table)) return memory.materialise(table);
    return memory.contains(table) ? NO_CONTENT : NOT_RAM;
  }

  private frameOf(high: number, low: number): number {
    const output = (high & this.addressMask) | (((low >>> this.movedFrom) & this.movedMask) << this.movedTo);
    const { pageShift } = this;
    return output >>> (pageShift - 1) === 0 ? (output << (32 - pageShift)) | (low >>> pageShift) : OUT_OF_RANGE;
  }

  private begin(high: number): void {
    const { walk } = this;
    walk.tablesAndLow = -1;
    walk.tablesOrHigh = 0;
    walk.kernelHalf = this.regime.splitRoots && high < 0;
  }

  private endAt(level: number, table: number, index: number, high: number, low: number): void {
    const { walk } = this;
    walk.level = level;
    walk.table = table;
    walk.index = index;
    walk.high = high;
    walk.low = low;
  }

  private setAccessed(isLeaf: boolean, accessed: number): void {
    const { table, index, high, low } = this.walk;
    if ((low & accessed) === accessed) return;
    this.memory.writeEntry(table, index, { high, low: low | accessed });
    if (isLeaf) this.walk.low = low | accessed;
  }

  private stepOf(isTable: boolean, isLeaf: boolean): WalkStep {
    const { level, table, index, high, low } = this.walk;
    return { level, table: toPfn(table), index, high, low, type: isTable ? "table" : isLeaf ? "leaf" : "invalid" };
  }
}
