import { FaultKind } from "../contracts/index.js";
import type { PhysicalMemory, WalkStep } from "../contracts/index.js";
import type { TranslationRegime, Walk } from "./regime.js";

// V8 re-reads imported bindings and folds local ones.
const { NONE, TRANSLATION, ADDRESS_SIZE } = FaultKind;
/** The page-frame number of an output address of 2^31 pages or more; the offset in a block leaves it negative. */
const OUT_OF_RANGE = -(2 ** 31);

/** The table is in RAM and holds only zeroes. */
const NO_CONTENT = -1;
/** The table is outside RAM. */
const NOT_RAM = -2;

/** The one hardware walk: every access, tool and auditor uses it. */
export interface Walker {
  /** The result of the last walk. */
  readonly walk: Walk;
  /**
   * Walks from a root to a leaf. Fills in {@link walk}, whose `pfn` is valid only after NONE.
   * @param high - bits 63 to 32 of a canonical address
   * @param low - bits 31 to 0
   * @param root - page-frame number of the top-level table
   * @param update - whether to set the accessed flags that a walk sets; `false` for a walk without side effects
   * @param visit - receives each step
   * @returns NONE if a leaf was found, even if its frame is outside RAM; ADDRESS_SIZE, at the level of the entry that points to
   *   it, for a table outside RAM; otherwise the reason why there is no leaf
   */
  run(
    high: number,
    low: number,
    root: number,
    update: boolean,
    visit: ((step: WalkStep) => void) | undefined,
  ): FaultKind;
  /** Writes the leaf of the last walk back to its table. */
  writeLeaf(): void;
}

// The geometry as the loop reads it: eight words a level.
const LEVEL_WORDS_SHIFT = 3;
/** Number of address bits that index a table. */
const BITS = 0;
/** Pages that a leaf maps, less one. */
const LEAF_PAGES = 1;
const TYPE_MASK = 2;
const TABLE = 3;
const LEAF = 4;
const LEAF_ACCESSED = 5;

function packLevels({ levels, addressBits }: TranslationRegime): Int32Array {
  const packed = new Int32Array(levels.length << LEVEL_WORDS_SHIFT);
  const pageShift = levels.at(-1)!.shift;
  levels.forEach(({ shift, typeMask, table, leaf, leafAccessed = 0 }, level) => {
    const bits = (levels[level - 1]?.shift ?? addressBits) - shift;
    const leafPages = 2 ** (shift - pageShift) - 1;
    packed.set([bits, leafPages, typeMask, table, leaf, leafAccessed], level << LEVEL_WORDS_SHIFT);
  });
  return packed;
}

/**
 * Makes a walker of page tables in physical memory. The walk applies no key: the rights of the leaf are checked after it.
 *
 * ```text
 *   address   63 .. addressBits | index of level 0 | index of level 1 | ... | index of the last level | offset in the page |
 *             canonical         | any number       | each level has the bits between its shift and    | pageShift bits     |
 *                               | of bits          | the shift of the level above                    |                    |
 * ```
 *
 * @param regime - the architecture's geometry, decoding and checks
 * @param memory - physical memory that holds the tables
 * @returns a walker with its own result
 */
export function createWalker(regime: TranslationRegime, memory: PhysicalMemory): Walker {
  const { splitRoots, outputAddress, tableAccessed } = regime;
  const { highMask, moved = { from: 0, bits: 0, to: 32 } } = outputAddress;
  const movedFrom = moved.from;
  const movedMask = 2 ** moved.bits - 1;
  const movedTo = moved.to - 32;
  const packed = packLevels(regime);
  const pageShift = regime.levels.at(-1)!.shift;
  const highShift = 32 - pageShift;
  /** Bits of a page-frame number below 2^31 that are above bit 31 of the address. */
  const pfnHighBits = 31 - highShift;
  const unusedBits = 64 - regime.addressBits;
  const { words, slots, firstPfn } = memory;
  const frames = memory.endPfn - firstPfn;
  const walk: Walk = {
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

  /** The offset of a table's words in the content of physical memory, {@link NO_CONTENT} or {@link NOT_RAM}. */
  function contentOf(table: number): number {
    const frame = (table - firstPfn) | 0;
    const slot = frame >>> 0 < frames ? slots[frame]! : 0;
    if (slot > 0) return slot - 1;
    if (slot < 0) return memory.materialise(table);
    return memory.contains(table) ? NO_CONTENT : NOT_RAM;
  }

  function frameOf(high: number, low: number): number {
    const output = (high & highMask) | (((low >>> movedFrom) & movedMask) << movedTo);
    return output >>> pfnHighBits === 0 ? (output << highShift) | (low >>> pageShift) : OUT_OF_RANGE;
  }

  function run(
    addressHigh: number,
    addressLow: number,
    root: number,
    update: boolean,
    visit: ((step: WalkStep) => void) | undefined,
  ): FaultKind {
    const high = addressHigh | 0;
    const low = addressLow | 0;
    // Step 1. The walk starts at the root with the highest translated bits of the address.
    // Arm ARM: AArch64.S1InitialTTWState(). SDM volume 3, 4.5.4: CR3.
    let restHigh = (high << unusedBits) | (low >>> (32 - unusedBits));
    let restLow = low << unusedBits;
    let table = root | 0;
    walk.tablesAndLow = -1;
    walk.tablesOrHigh = 0;
    walk.kernelHalf = splitRoots && high < 0;
    for (let level = 0; ; level++) {
      // Step 2. The next address bits are the index of the entry.
      // Arm ARM: AArch64.S1SLTTEntryAddress(), AArch64.TTEntryAddress(). SDM volume 3, 4.5.4, tables 4-14 to 4-19.
      const geometry = level << LEVEL_WORDS_SHIFT;
      const bits = packed[geometry + BITS]!;
      const index = restHigh >>> (32 - bits);
      restHigh = (restHigh << bits) | (restLow >>> (32 - bits));
      restLow <<= bits;

      // Step 3. The entry is read from physical memory. A table outside RAM is an error of the entry that points to it.
      // Arm ARM: FetchDescriptor().
      const content = contentOf(table);
      if (content === NOT_RAM) {
        if (level > 0) walk.level = level - 1;
        else endAt(0, table, index, 0, 0);
        return ADDRESS_SIZE;
      }
      const at = content | (index << 1);
      let entryLow = content === NO_CONTENT ? 0 : words[at]!;
      const entryHigh = content === NO_CONTENT ? 0 : words[at + 1]!;

      // Step 4. The low word gives the type: a table, a leaf, or invalid.
      // Arm ARM: AArch64.DecodeDescriptorType(). SDM volume 3, 4.5.4: P and PS.
      const type = entryLow & packed[geometry + TYPE_MASK]!;
      const isTable = type === packed[geometry + TABLE]!;
      const isLeaf = !isTable && type === packed[geometry + LEAF]!;
      endAt(level, table, index, entryHigh, entryLow);
      if (visit !== undefined) visit(stepOf(isTable, isLeaf));
      if (!isTable && !isLeaf) return TRANSLATION;

      // Step 5. Reserved bits and the size of the output address.
      // Arm ARM: AArch64.OAOutOfRange(). SDM volume 3, 4.7: RSVD.
      const kind = regime.checkEntry(level, isLeaf, entryHigh, entryLow);
      if (kind !== NONE) return kind;

      // Step 6. The accessed flag, where the walk itself sets it. SDM volume 3, 4.8.
      const accessed = isLeaf ? packed[geometry + LEAF_ACCESSED]! : tableAccessed;
      if ((entryLow & accessed) !== accessed && update) {
        memory.write(table, index, entryHigh, entryLow | accessed);
        if (isLeaf) entryLow |= accessed;
      }

      // Step 7. A leaf ends the walk; the bits of the address below its size are the offset.
      // Arm ARM: AArch64.LeafBase(), StageOA(). SDM volume 3, 4.5.4.
      const pfn = frameOf(entryHigh, entryLow);
      if (isLeaf) {
        const offset = ((high << highShift) | (low >>> pageShift)) & packed[geometry + LEAF_PAGES]!;
        walk.low = entryLow;
        walk.pfn = (pfn & ~packed[geometry + LEAF_PAGES]!) | offset;
        return NONE;
      }

      // Step 8. The rights of a table entry limit those below. Arm ARM: hierarchical permissions. SDM volume 3, 4.6.
      walk.tablesAndLow &= entryLow;
      walk.tablesOrHigh |= entryHigh;
      table = pfn;
    }
  }

  function endAt(level: number, table: number, index: number, high: number, low: number): void {
    walk.level = level;
    walk.table = table;
    walk.index = index;
    walk.high = high;
    walk.low = low;
  }

  function stepOf(isTable: boolean, isLeaf: boolean): WalkStep {
    const { level, table, index, high, low } = walk;
    return { level, table, index, high, low, type: isTable ? "table" : isLeaf ? "leaf" : "invalid" };
  }

  return {
    walk,
    run,
    writeLeaf() {
      memory.write(walk.table, walk.index, walk.high, walk.low);
    },
  };
}
