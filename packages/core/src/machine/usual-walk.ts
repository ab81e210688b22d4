import type { PhysicalMemory } from "../contracts/index.js";
import type { TranslationRegime, Walk } from "./regime.js";

// The form of usual entries as the walk reads it.
const TABLE_HIGH = 0;
const TABLE_MASK = 1;
const TABLE_LOW = 2;
const LEAF_HIGH = 3;
const LEAF_MASK = 4;
const LEAF_LOW = 5;
/** The form that no entry has. */
const NO_FORM = { maskHigh: 0, maskLow: 0, low: 1 };

/** Walks whose entries are all of the form that they have as a rule. */
export interface UsualWalk {
  /**
   * Walks to a leaf of the last level without a look at anything but the entries' forms.
   * @param high - bits 63 to 32 of a canonical address
   * @param low - bits 31 to 0
   * @param root - page-frame number of the top-level table
   * @returns whether the walk has ended with a leaf; if not, the walk has found nothing and somebody has to look closely
   */
  find(high: number, low: number, root: number): boolean;
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

  // Two functions, each short enough to be inlined.

  /** Walks to the table of the last level. @returns its page-frame number, or -1 */
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
      if (slot <= 0) return -1;
      const at = (slot - 1) | ((rest >>> (32 - bits)) << 1);
      const entryLow = words[at]!;
      const entryHigh = words[at + 1]!;
      if ((entryLow & form[TABLE_MASK]!) !== form[TABLE_LOW] || (entryHigh & form[TABLE_HIGH]!) !== 0) return -1;
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

  function find(addressHigh: number, addressLow: number, root: number): boolean {
    // All is int32 once the compiler knows that it begins so.
    const high = addressHigh | 0;
    const low = addressLow | 0;
    const table = descend(high, low, root | 0);
    const frame = (table - firstPfn) | 0;
    const slot = frame >>> 0 < frames ? slots[frame]! : 0;
    if (slot <= 0) return false;
    const index = (low >>> pageShift) & leafIndexMask;
    const at = (slot - 1) | (index << 1);
    const entryLow = words[at]!;
    const entryHigh = words[at + 1]!;
    if ((entryLow & form[LEAF_MASK]!) !== form[LEAF_LOW] || (entryHigh & form[LEAF_HIGH]!) !== 0) return false;
    walk.level = last;
    walk.table = table;
    walk.index = index;
    walk.high = entryHigh;
    walk.low = entryLow;
    walk.kernelHalf = splitRoots && high < 0;
    walk.pfn = ((entryHigh & outputAddressHigh) << highShift) | (entryLow >>> pageShift);
    return true;
  }

  refresh();
  return { find, refresh };
}
