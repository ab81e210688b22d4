import { FaultKind } from "../contracts/index.js";
import type { PhysicalMemory } from "../contracts/index.js";
import type { TranslationRegime, Walk } from "./regime.js";

// What is imported is loaded each time; what stands here is folded.
const { NONE, TRANSLATION } = FaultKind;

/** What {@link UsualWalk.find} answers when somebody has to look closely. */
export const LOOK_CLOSELY = -1;
const CLOSELY: typeof LOOK_CLOSELY = LOOK_CLOSELY;

// The form of usual entries as the walk reads it.
const TABLE_HIGH = 0;
const TABLE_MASK = 1;
const TABLE_LOW = 2;
const LEAF_HIGH = 3;
const LEAF_MASK = 4;
const LEAF_LOW = 5;
/** The form that no entry has. */
const NO_FORM = { maskHigh: 0, maskLow: 0, low: 1 };

/** Walks whose entries are all of the form that they have as a rule; the last may be of zeroes. */
export interface UsualWalk {
  /**
   * Walks to a leaf of the last level, or to an entry of zeroes there, without a look at anything but the entries' forms.
   * @param high - bits 63 to 32 of a canonical address
   * @param low - bits 31 to 0
   * @param root - page-frame number of the top-level table
   * @returns NONE when a leaf was found, TRANSLATION at zeroes; {@link LOOK_CLOSELY} when neither can be said
   */
  find(high: number, low: number, root: number): FaultKind | typeof LOOK_CLOSELY;
  /** A system register was written: usual entries may look otherwise. */
  refresh(): void;
}

/**
 * @param regime - the architecture's geometry, and the form of its usual entries
 * @param memory - where the tables are
 * @param walk - filled in by a walk that has ended with a leaf
 */
export function createUsualWalk(regime: TranslationRegime, memory: PhysicalMemory, walk: Walk): UsualWalk {
  const { splitRoots, outputAddressHigh, addressBits } = regime;
  const { words, slots, firstPfn } = memory;
  const frames = memory.endPfn - firstPfn;
  const shifts = regime.levels.map(({ shift }) => shift);
  const last = shifts.length - 1;
  const pageShift = shifts[last]!;
  const highShift = 32 - pageShift;
  const unusedBits = 64 - addressBits;
  const topBits = addressBits - shifts[0]!;
  const tableBits = shifts[0]! - shifts[1]!;
  const leafIndexMask = 2 ** (shifts[last - 1]! - pageShift) - 1;
  /** High-word bits of page-frame numbers that are beyond those of RAM. */
  const beyondRam = outputAddressHigh & (-1 << (31 - highShift));
  // All tables between the top and the last level are indexed alike, by bits that fit in a word.
  const isRegular =
    shifts.slice(1, -1).every((shift, i) => shifts[i]! - shift === tableBits) && addressBits - shifts[last - 1]! <= 32;
  const zeroIsNothing = regime.levels[last]!.leaf !== 0;
  const form = new Int32Array(64);

  function refresh(): void {
    const { table, leaf } = (isRegular ? regime.usual : undefined) ?? { table: NO_FORM, leaf: NO_FORM };
    form[TABLE_HIGH] = table.maskHigh | beyondRam;
    form[TABLE_MASK] = table.maskLow;
    form[TABLE_LOW] = table.low;
    form[LEAF_HIGH] = leaf.maskHigh | beyondRam;
    form[LEAF_MASK] = leaf.maskLow;
    form[LEAF_LOW] = leaf.low;
  }

  // Two functions, each short enough to be inlined: of what is captured, each use is bytes of code, of a variable not.

  /** Walks to the table of the last level. @returns its page-frame number, or {@link LOOK_CLOSELY} */
  function descend(high: number, low: number, root: number): number {
    let table = root;
    let andLow = -1;
    let orHigh = 0;
    /** What has not indexed a table yet, from the highest bit on. */
    let rest = (high << unusedBits) | (low >>> (32 - unusedBits));
    let bits = topBits;
    for (let level = 0; level < last; level++) {
      const frame = (table - firstPfn) | 0;
      const slot = frame >>> 0 < frames ? slots[frame]! : 0;
      if (slot <= 0) return CLOSELY;
      const at = (slot - 1) | ((rest >>> (32 - bits)) << 1);
      const entryLow = words[at]!;
      const entryHigh = words[at + 1]!;
      if ((entryLow & form[TABLE_MASK]!) !== form[TABLE_LOW] || (entryHigh & form[TABLE_HIGH]!) !== 0) return CLOSELY;
      andLow &= entryLow;
      orHigh |= entryHigh;
      table = ((entryHigh & outputAddressHigh) << highShift) | (entryLow >>> pageShift);
      rest <<= bits;
      bits = tableBits;
    }
    walk.tablesAndLow = andLow;
    walk.tablesOrHigh = orHigh;
    return table;
  }

  /** What a walk comes to whose leaf is not usual. */
  function otherwise(): FaultKind | typeof LOOK_CLOSELY {
    return zeroIsNothing && (walk.high | walk.low) === 0 ? TRANSLATION : CLOSELY;
  }

  function find(addressHigh: number, addressLow: number, root: number): FaultKind | typeof LOOK_CLOSELY {
    // All is int32 once the compiler knows that it begins so.
    const high = addressHigh | 0;
    const low = addressLow | 0;
    const table = descend(high, low, root | 0);
    const frame = (table - firstPfn) | 0;
    const slot = frame >>> 0 < frames ? slots[frame]! : 0;
    if (slot <= 0) return CLOSELY;
    const index = (low >>> pageShift) & leafIndexMask;
    const at = (slot - 1) | (index << 1);
    const entryLow = words[at]!;
    const entryHigh = words[at + 1]!;
    const found = walk;
    found.level = last;
    found.table = table;
    found.index = index;
    found.high = entryHigh;
    found.low = entryLow;
    found.kernelHalf = splitRoots && high < 0;
    if ((entryLow & form[LEAF_MASK]!) !== form[LEAF_LOW] || (entryHigh & form[LEAF_HIGH]!) !== 0) return otherwise();
    found.pfn = ((entryHigh & outputAddressHigh) << highShift) | (entryLow >>> pageShift);
    return NONE;
  }

  refresh();
  return { find, refresh };
}
