import { FaultKind } from "../contracts/index.js";
import type { PhysicalMemory, WalkStep } from "../contracts/index.js";
import type { TranslationRegime, Walk } from "./regime.js";
import { createUsualWalk } from "./usual-walk.js";
import type { UsualWalk } from "./usual-walk.js";

// What is imported is loaded each time; what stands here is folded.
const { NONE, TRANSLATION, ADDRESS_SIZE } = FaultKind;
/** Instead of a page-frame number beyond those of RAM; the offset in a block leaves it negative. */
const NOWHERE = -(2 ** 31);

/** Walks page tables in physical memory, as the hardware does: no key stands before it. */
export interface Walker extends UsualWalk {
  /** What the last walk found. */
  readonly walk: Walk;
  /**
   * Walks to a leaf with a close look at each entry: for who follows the walk, and where {@link find} has found nothing.
   * @param high - bits 63 to 32 of a canonical address
   * @param low - bits 31 to 0
   * @param root - page-frame number of the top-level table
   * @param update - whether to set the accessed flags that a walk sets
   * @param visit - told of each step
   * @returns NONE when a leaf was found, be its page RAM or not; ADDRESS_SIZE, at the level of the entry that names it, for a
   *   table that is not RAM; else why there is no leaf
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

// The geometry as the loop reads it: eight words a level, in one array that is too long to stand in V8's moving heap.
const LEVEL_WORDS_SHIFT = 3;
/** How many bits of the address index a table. */
const BITS = 0;
/** Pages behind a leaf, less one. */
const IN_BLOCK = 1;
const TYPE_MASK = 2;
const TABLE = 3;
const LEAF = 4;
const LEAF_ACCESSED = 5;

/** Tells of a step: a function of its own, so that the walk that nobody follows stays short. */
function tell(
  visit: (step: WalkStep) => void,
  level: number,
  table: number,
  index: number,
  high: number,
  low: number,
  isTable: boolean,
  isLeaf: boolean,
): void {
  visit({ level, table, index, high, low, type: isTable ? "table" : isLeaf ? "leaf" : "invalid" });
}

function packLevels({ levels, addressBits }: TranslationRegime): Int32Array {
  const packed = new Int32Array(Math.max(32, levels.length << LEVEL_WORDS_SHIFT));
  const pageShift = levels.at(-1)!.shift;
  levels.forEach(({ shift, typeMask, table, leaf, leafAccessed = 0 }, level) => {
    const bits = (levels[level - 1]?.shift ?? addressBits) - shift;
    const inBlock = 2 ** (shift - pageShift) - 1;
    packed.set([bits, inBlock, typeMask, table, leaf, leafAccessed], level << LEVEL_WORDS_SHIFT);
  });
  return packed;
}

/**
 * @param regime - the architecture's geometry, decoding and checks
 * @param memory - where the tables are
 * @returns a walker with a walk of its own
 */
export function createWalker(regime: TranslationRegime, memory: PhysicalMemory): Walker {
  const { splitRoots, outputAddressHigh, tableAccessed } = regime;
  const packed = packLevels(regime);
  const pageShift = regime.levels.at(-1)!.shift;
  const highShift = 32 - pageShift;
  /** Bits of a page-frame number below 2^31 that come from an entry's high word. */
  const pfnHighBits = 31 - highShift;
  /** Address bits above those that are translated. */
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

  function run(
    addressHigh: number,
    addressLow: number,
    root: number,
    update: boolean,
    visit: ((step: WalkStep) => void) | undefined,
  ): FaultKind {
    // The loop works in int32 alone once the compiler knows that it begins so.
    const high = addressHigh | 0;
    const low = addressLow | 0;
    // What has not indexed a table yet, from the highest bit on.
    let restHigh = (high << unusedBits) | (low >>> (32 - unusedBits));
    let restLow = low << unusedBits;
    let table = root | 0;
    let andLow = -1;
    let orHigh = 0;
    let index: number;
    let entryHigh = 0;
    let entryLow = 0;
    let level = 0;
    let kind: FaultKind;
    for (; ; level++) {
      const geometry = level << LEVEL_WORDS_SHIFT;
      const bits = packed[geometry + BITS]!;
      index = restHigh >>> (32 - bits);
      restHigh = (restHigh << bits) | (restLow >>> (32 - bits));
      restLow <<= bits;
      const frame = (table - firstPfn) | 0;
      let slot = frame >>> 0 < frames ? slots[frame]! : 0;
      if (slot < 0) slot = memory.materialise(table) + 1;
      if (slot > 0) {
        const at = (slot - 1) | (index << 1);
        entryLow = words[at]!;
        entryHigh = words[at + 1]!;
      } else if (memory.contains(table)) {
        entryLow = 0;
        entryHigh = 0;
      } else {
        kind = ADDRESS_SIZE;
        if (level > 0) level--;
        break;
      }

      const type = entryLow & packed[geometry + TYPE_MASK]!;
      const isTable = type === packed[geometry + TABLE]!;
      const isLeaf = !isTable && type === packed[geometry + LEAF]!;
      if (visit !== undefined) tell(visit, level, table, index, entryHigh, entryLow, isTable, isLeaf);
      if (!isTable && !isLeaf) {
        kind = TRANSLATION;
        break;
      }
      kind = regime.checkEntry(level, isLeaf, entryHigh, entryLow);
      if (kind !== NONE) break;

      const outputHigh = entryHigh & outputAddressHigh;
      const pfn = outputHigh >>> pfnHighBits === 0 ? (outputHigh << highShift) | (entryLow >>> pageShift) : NOWHERE;
      if (isLeaf) {
        const accessed = packed[geometry + LEAF_ACCESSED]!;
        if ((entryLow & accessed) !== accessed && update) memory.write(table, index, entryHigh, (entryLow |= accessed));
        const inBlock = packed[geometry + IN_BLOCK]!;
        walk.pfn = (pfn & ~inBlock) | (((high << highShift) | (low >>> pageShift)) & inBlock);
        break;
      }
      if ((entryLow & tableAccessed) !== tableAccessed && update) {
        memory.write(table, index, entryHigh, entryLow | tableAccessed);
      }
      andLow &= entryLow;
      orHigh |= entryHigh;
      table = pfn;
    }
    walk.level = level;
    walk.table = table;
    walk.index = index;
    walk.high = entryHigh;
    walk.low = entryLow;
    walk.tablesAndLow = andLow;
    walk.tablesOrHigh = orHigh;
    walk.kernelHalf = splitRoots && high < 0;
    return kind;
  }

  return {
    ...createUsualWalk(regime, memory, walk),
    walk,
    run,
    writeLeaf() {
      memory.write(walk.table, walk.index, walk.high, walk.low);
    },
  };
}
