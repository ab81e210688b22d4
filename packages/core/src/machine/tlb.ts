import { Random } from "../random.js";
import { NO_TAG, slotOf } from "./fast-tags.js";
import type { FastTags } from "./fast-tags.js";
import type { TranslationRegime, Walk } from "./regime.js";
import type { TlbGeometry } from "./tlb-geometry.js";

/** The address space of a global translation. */
export const GLOBAL = -1;

/** A page number is `high * PAGE_HIGH + low` of its two words. */
const PAGE_HIGH = 2 ** 32;

/**
 * A set-associative TLB of translations of 4 KiB each. A larger page or a block has an entry for each accessed 4 KiB. A translation stays
 * unchanged until it is invalidated or evicted, even if the tables change. A new translation of a page replaces those that a lookup in the
 * same address space can find.
 *
 * ```text
 *   address   63 ............ 44 | 43 ................. 12 | 11 .... 0
 *             high word of the   | low word; its lowest    | offset
 *             page number        | bits select the set     |
 * ```
 *
 * A TLB without entries holds only the translation of the current access, which no lookup finds again.
 */
export class Tlb {
  /** Number of entries. */
  readonly entries: number;
  /** Page-frame number of each entry's page. */
  readonly pfns: Int32Array;
  /** Packed attributes of each entry: {@link TranslationRegime.attributes}. */
  readonly attributes: Int32Array;
  /** Level of each entry's leaf. */
  readonly levels: Int32Array;
  /** Bits 63 to 32 of that leaf at the time of the fill. */
  readonly leavesHigh: Int32Array;
  /** Bits 31 to 0 of it. */
  readonly leavesLow: Int32Array;
  /** Page-frame number of the root of each entry's walk. */
  readonly roots: Int32Array;
  /** Index of the first entry of the user's root in its page, at that time. */
  readonly rootIndexes: Int32Array;
  /** Address space of each entry, or {@link GLOBAL}. */
  readonly asids: Int32Array;

  private readonly sets: number;
  private readonly ways: number;
  private readonly choosesRandomly: boolean;
  private readonly countsUses: boolean;
  private readonly lastLevel: number;
  /** Number of 4 KiB parts of a page, and of a leaf of each level. */
  private readonly pageEntries: number;
  private readonly leafEntries: readonly number[];
  private readonly pagesHigh: Int32Array;
  private readonly pagesLow: Int32Array;
  private empty = true;
  /** Whether a block may be in the TLB. */
  private blocks = false;
  /** The entries that may hold a translation that is not global, each once. */
  private readonly locals: Int32Array;
  private readonly isLocal: Uint8Array;
  private localCount = 0;
  /** Time of each entry's fill or, for `lru`, of its last use; only if a set has several ways. */
  private readonly times: Float64Array;
  /** The most recently used entry of each set. Only this entry may have fast tags, because further uses of it do not change the order. */
  private readonly latest: Int32Array;
  private time = 0;
  private readonly random: Random;

  /**
   * @param regime - its levels give the sizes of blocks
   * @param fast - tags that follow evictions and invalidations
   * @param geometry - size and policy
   */
  constructor(
    regime: TranslationRegime,
    private readonly fast: FastTags,
    { sets, ways, replacement, seed }: TlbGeometry,
  ) {
    const entries = sets * ways;
    const words = (): Int32Array => new Int32Array(Math.max(1, entries));
    this.entries = entries;
    this.sets = sets;
    this.ways = ways;
    this.choosesRandomly = replacement === "random";
    this.countsUses = ways > 1 && replacement === "lru";
    this.lastLevel = regime.levels.length - 1;
    this.pageEntries = 2 ** (regime.levels.at(-1)!.shift - 12);
    this.leafEntries = regime.levels.map(({ shift }) => 2 ** (shift - 12));
    this.pagesHigh = words().fill(NO_TAG);
    this.pagesLow = words();
    this.asids = words();
    this.pfns = words();
    this.attributes = words();
    this.levels = words();
    this.leavesHigh = words();
    this.leavesLow = words();
    this.roots = words();
    this.rootIndexes = words();
    this.locals = words();
    this.isLocal = new Uint8Array(Math.max(1, entries));
    this.times = new Float64Array(ways > 1 ? entries : 0);
    this.latest = new Int32Array(this.countsUses ? sets : 0);
    this.random = new Random(seed);
  }

  /**
   * Looks up an address. Counts as a use for `lru`.
   * @param high - bits 63 to 32 of a canonical address
   * @param low - bits 31 to 0
   * @param asid - the current address space
   * @returns the entry, or -1 for a TLB miss
   */
  find(high: number, low: number, asid: number): number {
    const pageHigh = high >> 12;
    const pageLow = (high << 20) | (low >>> 12);
    const first = this.firstOf(pageLow);
    for (let entry = first; entry < first + this.ways; entry++) {
      if (this.pagesLow[entry] !== pageLow || this.pagesHigh[entry] !== pageHigh) continue;
      if (this.asids[entry] !== GLOBAL && this.asids[entry] !== asid) continue;
      if (this.countsUses) this.use(entry);
      return entry;
    }
    return -1;
  }

  /** Whether the translation in an entry is global. @param entry - from {@link find} or {@link fill} */
  isGlobal(entry: number): boolean {
    return this.asids[entry] === GLOBAL;
  }

  /**
   * Adds the translation of a walk.
   * @param high - bits 63 to 32 of a canonical address
   * @param low - bits 31 to 0
   * @param asid - the address space, or {@link GLOBAL}
   * @param root - page-frame number of the root
   * @param rootIndex - index of the first entry of the user's root in its page
   * @param walk - the walk's result
   * @param packed - the attributes that the architecture packed
   * @returns the entry
   */
  fill(high: number, low: number, asid: number, root: number, rootIndex: number, walk: Walk, packed: number): number {
    let entry = 0;
    if (this.entries !== 0) {
      const pageHigh = high >> 12;
      const pageLow = (high << 20) | (low >>> 12);
      entry = this.evict(pageHigh, pageLow, asid);
      this.pagesHigh[entry] = pageHigh;
      this.pagesLow[entry] = pageLow;
      if (this.countsUses) this.use(entry);
      else if (this.ways > 1) this.times[entry] = ++this.time;
      this.asids[entry] = asid;
      this.empty = false;
      if (walk.level !== this.lastLevel) this.blocks = true;
      if (asid !== GLOBAL && this.isLocal[entry] === 0) {
        this.isLocal[entry] = 1;
        this.locals[this.localCount++] = entry;
      }
    }
    this.pfns[entry] = walk.pfn;
    this.attributes[entry] = packed;
    this.levels[entry] = walk.level;
    this.leavesHigh[entry] = walk.high;
    this.leavesLow[entry] = walk.low;
    this.roots[entry] = root;
    this.rootIndexes[entry] = rootIndex;
    return entry;
  }

  /** Drops an entry. @param entry - from {@link find} or {@link fill} */
  drop(entry: number): void {
    this.pagesHigh[entry] = NO_TAG;
    this.fast.clearSlot(slotOf(this.pagesLow[entry]! << 12));
  }

  /**
   * Drops the translations of a run of pages, including those of each block that overlaps the run.
   * @param high - bits 63 to 32 of an address in the first page
   * @param low - bits 31 to 0
   * @param pages - number of pages
   */
  dropRange(high: number, low: number, pages: number): void {
    if (this.empty) return;
    let pageHigh = high >> 12;
    let pageLow = ((high << 20) | (low >>> 12)) & -this.pageEntries;
    const count = pages * this.pageEntries;
    if (this.blocks || count > this.sets) {
      this.dropOverlapping(pageHigh * PAGE_HIGH + (pageLow >>> 0), count);
      return;
    }
    for (let left = count; left > 0; left--) {
      const first = this.firstOf(pageLow);
      for (let entry = first; entry < first + this.ways; entry++) {
        if (this.pagesLow[entry] === pageLow && this.pagesHigh[entry] === pageHigh) this.drop(entry);
      }
      pageLow = (pageLow + 1) | 0;
      if (pageLow === 0) pageHigh++;
    }
  }

  /** Drops the translations of one address space. @param asid - the address space; undefined for all but global ones */
  dropAsid(asid: number | undefined): void {
    const { locals, isLocal, asids } = this;
    let kept = 0;
    for (let place = 0; place < this.localCount; place++) {
      const entry = locals[place]!;
      const lives = this.pagesHigh[entry] !== NO_TAG && asids[entry] !== GLOBAL;
      if (lives && asid !== undefined && asids[entry] !== asid) {
        locals[kept++] = entry;
        continue;
      }
      if (lives) this.drop(entry);
      isLocal[entry] = 0;
    }
    this.localCount = kept;
  }

  /** Drops the translations to a run of frames. @param pfn - the first page-frame number @param pages - number of frames */
  dropFrames(pfn: number, pages: number): void {
    if (this.empty) return;
    for (let entry = 0; entry < this.entries; entry++) {
      // The difference of two page-frame numbers modulo 2^32: an entry has its number as an int32.
      if ((this.pfns[entry]! - pfn) >>> 0 < pages && this.pagesHigh[entry] !== NO_TAG) this.drop(entry);
    }
  }

  /** Drops everything. */
  dropAll(): void {
    if (this.empty) return;
    this.pagesHigh.fill(NO_TAG);
    this.fast.clear();
    this.empty = true;
    this.blocks = false;
    this.isLocal.fill(0);
    this.localCount = 0;
  }

  /**
   * Visits every entry in use.
   * @param visit - receives the entry and the two words of its page's address
   */
  forEach(visit: (entry: number, high: number, low: number) => void): void {
    for (let entry = 0; entry < this.entries; entry++) {
      const pageHigh = this.pagesHigh[entry]!;
      const pageLow = this.pagesLow[entry]!;
      if (pageHigh !== NO_TAG) visit(entry, (pageHigh << 12) | (pageLow >>> 20), pageLow << 12);
    }
  }

  private firstOf(pageLow: number): number {
    return (pageLow & (this.sets - 1)) * this.ways;
  }

  private use(entry: number): void {
    const { latest } = this;
    const set = (entry / this.ways) | 0;
    if (latest[set] !== entry) {
      this.fast.clearSlot(slotOf(this.pagesLow[latest[set]!]! << 12));
      latest[set] = entry;
    }
    this.times[entry] = ++this.time;
  }

  /** Drops the translations that the new one replaces, and a victim if no way is free. @returns the free entry */
  private evict(pageHigh: number, pageLow: number, asid: number): number {
    const first = this.firstOf(pageLow);
    if (this.ways === 1) {
      this.drop(first);
      return first;
    }
    let place = -1;
    for (let entry = first; entry < first + this.ways; entry++) {
      const space = this.asids[entry];
      const sharesSpace = asid === GLOBAL || space === GLOBAL || space === asid;
      if (sharesSpace && this.pagesLow[entry] === pageLow && this.pagesHigh[entry] === pageHigh) this.drop(entry);
      if (place < 0 && this.pagesHigh[entry] === NO_TAG) place = entry;
    }
    if (place < 0) place = this.victimOf(first);
    this.drop(place);
    return place;
  }

  private victimOf(first: number): number {
    if (this.choosesRandomly) return first + this.random.below(this.ways);
    let victim = first;
    for (let entry = first; entry < first + this.ways; entry++) {
      if (this.times[entry]! < this.times[victim]!) victim = entry;
    }
    return victim;
  }

  private dropOverlapping(start: number, count: number): void {
    for (let entry = 0; entry < this.entries; entry++) {
      if (this.pagesHigh[entry] === NO_TAG) continue;
      const size = this.leafEntries[this.levels[entry]!]!;
      const page = Math.floor((this.pagesHigh[entry]! * PAGE_HIGH + (this.pagesLow[entry]! >>> 0)) / size) * size;
      if (page < start + count && page + size > start) this.drop(entry);
    }
  }
}
