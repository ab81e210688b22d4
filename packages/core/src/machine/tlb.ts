import { NO_TAG, SLOTS } from "./fast-tags.js";
import type { FastTags } from "./fast-tags.js";
import type { TranslationRegime } from "./regime.js";

/** The address space of a translation that belongs to all of them. */
export const GLOBAL = -1;

// What is imported is loaded each time; what stands here is folded.
const EMPTY: number = NO_TAG;
const SIZE: number = SLOTS;
const ALL_SPACES: number = GLOBAL;

/**
 * A direct-mapped TLB of 1,024 translations of 4 KiB pages; a block takes a slot for each of its pages that was accessed. A
 * translation stays as it was when it was made until it is invalidated or its slot is taken by another, whatever happens to the
 * tables.
 */
export interface Tlb {
  /** Page-frame number of each slot's page. */
  readonly pfns: Int32Array;
  /** What the architecture packed for each slot. */
  readonly attributes: Int32Array;
  /** Level of the leaf that each slot was made from. */
  readonly levels: Int32Array;
  /**
   * Looks an address up.
   * @param slot - address bits 21 to 12
   * @param tag - address bits 53 to 22
   * @param asid - the current address space
   */
  holds(slot: number, tag: number, asid: number): boolean;
  /** Whether a slot's translation belongs to all address spaces. @param slot - one that holds a translation */
  isGlobal(slot: number): boolean;
  /**
   * Puts a translation in.
   * @param slot - address bits 21 to 12
   * @param tag - address bits 53 to 22
   * @param asid - the address space, or {@link GLOBAL}
   * @param pfn - page-frame number of the page
   * @param attributes - what the architecture packed
   * @param level - level of the leaf
   */
  fill(slot: number, tag: number, asid: number, pfn: number, attributes: number, level: number): void;
  /** Drops what a slot holds. @param slot - address bits 21 to 12 */
  drop(slot: number): void;
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
}

/**
 * @param regime - whose levels give the sizes of blocks
 * @param fast - tags that follow what is dropped and replaced
 * @returns an empty TLB
 */
export function createTlb(regime: TranslationRegime, fast: FastTags): Tlb {
  const tags = new Int32Array(SIZE).fill(EMPTY);
  const asids = new Int32Array(SIZE);
  const pfns = new Int32Array(SIZE);
  const attributes = new Int32Array(SIZE);
  const levels = new Int32Array(SIZE);
  const lastLevel = regime.levels.length - 1;
  /** Pages that a leaf of each level maps. */
  const leafPages = regime.levels.map(({ shift }) => 2 ** (shift - 12));
  let empty = true;
  /** Whether a block, or a translation that is not global, may be in the TLB. */
  let blocks = false;
  let locals = false;

  function drop(slot: number): void {
    tags[slot] = EMPTY;
    fast.clearSlot(slot);
  }

  /** Page numbers here are address bits 53 to 12, signed. */
  function dropOverlapping(first: number, end: number): void {
    for (let slot = 0; slot < SIZE; slot++) {
      const tag = tags[slot]!;
      if (tag === EMPTY) continue;
      const size = leafPages[levels[slot]!]!;
      const page = Math.floor((tag * SIZE + slot) / size) * size;
      if (page < end && page + size > first) drop(slot);
    }
  }

  return {
    pfns,
    attributes,
    levels,
    drop,
    holds(slot, tag, asid) {
      return tags[slot] === tag && (asids[slot] === ALL_SPACES || asids[slot] === asid);
    },
    isGlobal(slot) {
      return asids[slot] === ALL_SPACES;
    },
    fill(slot, tag, asid, pfn, packed, level) {
      fast.clearSlot(slot);
      tags[slot] = tag;
      asids[slot] = asid;
      pfns[slot] = pfn;
      attributes[slot] = packed;
      levels[slot] = level;
      empty = false;
      if (level !== lastLevel) blocks = true;
      if (asid !== ALL_SPACES) locals = true;
    },
    dropRange(high, low, pages) {
      if (empty) return;
      const first = ((high << 10) | (low >>> 22)) * SIZE + ((low >>> 12) & (SIZE - 1));
      if (blocks || pages > SIZE) {
        dropOverlapping(first, first + pages);
        return;
      }
      for (let page = first; page < first + pages; page++) {
        const tag = Math.floor(page / SIZE);
        const slot = page - tag * SIZE;
        if (tags[slot] === tag) drop(slot);
      }
    },
    dropAsid(asid) {
      if (!locals) return;
      for (let slot = 0; slot < SIZE; slot++) {
        if (tags[slot] === EMPTY || asids[slot] === ALL_SPACES) continue;
        if (asid === undefined || asids[slot] === asid) drop(slot);
      }
      if (asid === undefined) locals = false;
    },
    dropAll() {
      if (empty) return;
      tags.fill(EMPTY);
      fast.clear();
      empty = true;
      blocks = false;
      locals = false;
    },
  };
}
