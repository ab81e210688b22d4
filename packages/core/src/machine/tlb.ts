import { NO_TAG, SLOTS } from "./fast-tags.js";
import type { FastTags } from "./fast-tags.js";
import type { TranslationRegime, Walk } from "./regime.js";
import type { TlbGeometry } from "./tlb-geometry.js";

/** The address space of a translation that belongs to all of them. */
export const GLOBAL = -1;

// What is imported is loaded each time; what stands here is folded.
/** Instead of an entry's page: bits 63 to 44 of no address, sign-extended. */
const EMPTY: number = NO_TAG;
const FAST_SLOT: number = SLOTS - 1;
const ALL_SPACES: number = GLOBAL;
/** A page number is `high * PAGE_HIGH + low` of its two words. */
const PAGE_HIGH = 2 ** 32;

/**
 * A set-associative TLB of translations of 4 KiB each; a larger page or a block takes an entry for each 4 KiB that was accessed. A
 * translation stays as it was when it was made until it is invalidated or evicted, whatever happens to the tables. No address
 * space finds two translations of one page: a new one takes the place of the old.
 *
 * ```text
 *   address   63 ............ 44 | 43 ................. 12 | 11 .... 0
 *             high word of page  | low word; its lowest    |
 *             (all alike to 52)  | bits are the set        |
 * ```
 *
 * Without entries it still holds the translation of the access being made, which nobody finds again.
 */
export interface Tlb {
  /** Number of entries. */
  readonly entries: number;
  /** Page-frame number of the page that each entry is of. */
  readonly pfns: Int32Array;
  /** What the architecture packed for each entry. */
  readonly attributes: Int32Array;
  /** Level of the leaf that each entry was made from. */
  readonly levels: Int32Array;
  /** Bits 63 to 32 of that leaf as it was. */
  readonly leavesHigh: Int32Array;
  /** Bits 31 to 0 of it. */
  readonly leavesLow: Int32Array;
  /** Page-frame number of the root that each entry's walk began at. */
  readonly roots: Int32Array;
  /** Address space of each entry, or {@link GLOBAL}. */
  readonly asids: Int32Array;
  /**
   * Looks an address up, which counts as a use.
   * @param high - bits 63 to 32 of a canonical address
   * @param low - bits 31 to 0
   * @param asid - the current address space
   * @returns the entry, or -1
   */
  find(high: number, low: number, asid: number): number;
  /** Whether an entry is found again and belongs to all address spaces. @param entry - from {@link find} or {@link fill} */
  isGlobal(entry: number): boolean;
  /**
   * Puts the translation that a walk has found in.
   * @param high - bits 63 to 32 of a canonical address
   * @param low - bits 31 to 0
   * @param asid - the address space, or {@link GLOBAL}
   * @param root - page-frame number of the root
   * @param walk - where it ended
   * @param packed - what the architecture packed
   * @returns the entry
   */
  fill(high: number, low: number, asid: number, root: number, walk: Walk, packed: number): number;
  /** Drops an entry. @param entry - from {@link find} or {@link fill} */
  drop(entry: number): void;
  /**
   * Drops the translations of a run of pages, those of every block that the run touches too.
   * @param high - bits 63 to 32 of an address in the first page
   * @param low - bits 31 to 0
   * @param pages - number of pages
   */
  dropRange(high: number, low: number, pages: number): void;
  /** Drops the translations of one address space. @param asid - the address space; undefined for all but global ones */
  dropAsid(asid: number | undefined): void;
  /** Drops everything. */
  dropAll(): void;
  /**
   * Goes through what it holds.
   * @param visit - called with each entry and the address of its page in two words
   */
  forEach(visit: (entry: number, high: number, low: number) => void): void;
}

/**
 * @param regime - whose levels give the sizes of blocks
 * @param fast - tags that follow what is dropped and replaced
 * @param geometry - its size and policy
 * @returns an empty TLB
 */
export function createTlb(regime: TranslationRegime, fast: FastTags, geometry: TlbGeometry): Tlb {
  const { sets, ways, replacement } = geometry;
  const entries = sets * ways;
  const words = (): Int32Array => new Int32Array(Math.max(1, entries));
  const pagesHigh = words().fill(EMPTY);
  const pagesLow = words();
  const asids = words();
  const pfns = words();
  const attributes = words();
  const levels = words();
  const leavesHigh = words();
  const leavesLow = words();
  const roots = words();
  const lastLevel = regime.levels.length - 1;
  /** Entries that a page takes, and a leaf of each level. */
  const pageEntries = 2 ** (regime.levels.at(-1)!.shift - 12);
  const leafEntries = regime.levels.map(({ shift }) => 2 ** (shift - 12));
  let empty = true;
  /** Whether a block may be in the TLB. */
  let blocks = false;
  /** The entries in which a translation that is not global may stand, each once. */
  const locals = words();
  const isLocal = new Uint8Array(Math.max(128, entries));
  let localCount = 0;

  const choosesWay = ways > 1;
  const choosesRandomly = replacement === "random";
  const countsUses = choosesWay && replacement === "lru";
  /** When each entry was made or, for `lru`, last used; only where there is a choice. */
  const times = new Float64Array(choosesWay ? entries : 0);
  /** The entry last used of each set: the one whose further uses change nothing, and so the one that may have fast tags. */
  const latest = new Int32Array(countsUses ? sets : 0);
  let time = 0;
  let random = geometry.seed | 0;

  function firstOf(pageLow: number): number {
    return (pageLow & (sets - 1)) * ways;
  }

  function use(entry: number): void {
    const set = (entry / ways) | 0;
    if (latest[set] !== entry) {
      fast.clearSlot(pagesLow[latest[set]!]! & FAST_SLOT);
      latest[set] = entry;
    }
    times[entry] = ++time;
  }

  function find(high: number, low: number, asid: number): number {
    const pageHigh = high >> 12;
    const pageLow = (high << 20) | (low >>> 12);
    const first = firstOf(pageLow);
    for (let entry = first; entry < first + ways; entry++) {
      if (pagesLow[entry] !== pageLow || pagesHigh[entry] !== pageHigh) continue;
      if (asids[entry] !== ALL_SPACES && asids[entry] !== asid) continue;
      if (countsUses) use(entry);
      return entry;
    }
    return -1;
  }

  function drop(entry: number): void {
    pagesHigh[entry] = EMPTY;
    fast.clearSlot(pagesLow[entry]! & FAST_SLOT);
  }

  /** Makes room: what an address space would find beside the new translation goes, else a victim where no way is free. */
  function evict(pageHigh: number, pageLow: number, asid: number): number {
    const first = firstOf(pageLow);
    let place = choosesWay ? -1 : first;
    for (let entry = first; choosesWay && entry < first + ways; entry++) {
      const sharesSpace = asid === ALL_SPACES || asids[entry] === ALL_SPACES || asids[entry] === asid;
      if (sharesSpace && pagesLow[entry] === pageLow && pagesHigh[entry] === pageHigh) drop(entry);
      if (place < 0 && pagesHigh[entry] === EMPTY) place = entry;
    }
    if (place < 0) place = victimOf(first);
    drop(place);
    return place;
  }

  /** The murmur3 finaliser over a Weyl sequence, so that seeds close to each other differ from the first choice on. */
  function nextRandom(): number {
    random = (random + 0x9e3779b9) | 0;
    let mixed = Math.imul(random ^ (random >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }

  function victimOf(first: number): number {
    if (choosesRandomly) return first + (nextRandom() % ways);
    let victim = first;
    for (let entry = first; entry < first + ways; entry++) {
      if (times[entry]! < times[victim]!) victim = entry;
    }
    return victim;
  }

  function fill(high: number, low: number, asid: number, root: number, walk: Walk, packed: number): number {
    let entry = 0;
    if (entries !== 0) {
      const pageHigh = high >> 12;
      const pageLow = (high << 20) | (low >>> 12);
      entry = evict(pageHigh, pageLow, asid);
      pagesHigh[entry] = pageHigh;
      pagesLow[entry] = pageLow;
      if (countsUses) use(entry);
      else if (choosesWay) times[entry] = ++time;
      asids[entry] = asid;
      empty = false;
      if (walk.level !== lastLevel) blocks = true;
      if (asid !== ALL_SPACES && isLocal[entry] === 0) {
        isLocal[entry] = 1;
        locals[localCount++] = entry;
      }
    }
    pfns[entry] = walk.pfn;
    attributes[entry] = packed;
    levels[entry] = walk.level;
    leavesHigh[entry] = walk.high;
    leavesLow[entry] = walk.low;
    roots[entry] = root;
    return entry;
  }

  function dropOverlapping(start: number, count: number): void {
    for (let entry = 0; entry < entries; entry++) {
      if (pagesHigh[entry] === EMPTY) continue;
      const size = leafEntries[levels[entry]!]!;
      const page = Math.floor((pagesHigh[entry]! * PAGE_HIGH + (pagesLow[entry]! >>> 0)) / size) * size;
      if (page < start + count && page + size > start) drop(entry);
    }
  }

  return {
    entries,
    pfns,
    attributes,
    levels,
    leavesHigh,
    leavesLow,
    roots,
    asids,
    find,
    isGlobal: (entry) => asids[entry] === ALL_SPACES,
    fill,
    drop,
    dropRange(high, low, pages) {
      if (empty) return;
      let pageHigh = high >> 12;
      let pageLow = ((high << 20) | (low >>> 12)) & -pageEntries;
      const count = pages * pageEntries;
      if (blocks || count > sets) {
        dropOverlapping(pageHigh * PAGE_HIGH + (pageLow >>> 0), count);
        return;
      }
      for (let left = count; left > 0; left--) {
        const first = firstOf(pageLow);
        for (let entry = first; entry < first + ways; entry++) {
          if (pagesLow[entry] === pageLow && pagesHigh[entry] === pageHigh) drop(entry);
        }
        pageLow = (pageLow + 1) | 0;
        if (pageLow === 0) pageHigh++;
      }
    },
    dropAsid(asid) {
      let kept = 0;
      for (let place = 0; place < localCount; place++) {
        const entry = locals[place]!;
        const lives = pagesHigh[entry] !== EMPTY && asids[entry] !== ALL_SPACES;
        if (lives && asid !== undefined && asids[entry] !== asid) {
          locals[kept++] = entry;
          continue;
        }
        if (lives) drop(entry);
        isLocal[entry] = 0;
      }
      localCount = kept;
    },
    dropAll() {
      if (empty) return;
      pagesHigh.fill(EMPTY);
      fast.clear();
      empty = true;
      blocks = false;
      isLocal.fill(0);
      localCount = 0;
    },
    forEach(visit) {
      for (let entry = 0; entry < entries; entry++) {
        const pageHigh = pagesHigh[entry]!;
        const pageLow = pagesLow[entry]!;
        if (pageHigh !== EMPTY) visit(entry, (pageHigh << 12) | (pageLow >>> 20), pageLow << 12);
      }
    },
  };
}
