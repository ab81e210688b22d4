import { EntryType } from "@kpkeys/core/contracts";
import type { PageTableFormat, PageTables } from "@kpkeys/core/contracts";
import { pageHigh, pageLow } from "./addresses.js";

/** Finds the leaf that maps a kernel address, of whatever size, by reading tables as the kernel does. */
export interface LeafWalk {
  /** Level of the leaf found last. */
  readonly level: number;
  /** Page-frame number of the table that it stands in; the leaf itself is in the setters' entryHigh and entryLow. */
  readonly table: number;
  /** Its index there. */
  readonly index: number;
  /** Pages that it maps. */
  readonly pages: number;
  /**
   * Walks to a leaf.
   * @param page - virtual page number of an address that it maps
   * @returns whether there is one: a leaf that was made invalid counts
   */
  find(page: number): boolean;
  /**
   * Goes on to the leaf behind the one found last, as a walk of a range does: in the same table without a walk.
   * @param page - virtual page number behind the last leaf's
   * @returns whether there is one
   */
  next(page: number): boolean;
}

/**
 * Makes the walk.
 * @param tables - reads entries
 * @param format - the codec
 */
export function createLeafWalk(tables: PageTables, format: PageTableFormat): LeafWalk {
  const { levels, pageShift } = format.geometry;
  const { clear, set } = format.attributes.valid;
  const entriesOf = levels.map(({ indexBits }) => 2 ** indexBits);
  const pagesOf = levels.map(({ shift }) => 2 ** (shift - pageShift));

  /** What an entry is, or was before it was made invalid. */
  function typeOf(level: number, high: number, low: number): EntryType {
    const type = format.typeOf(level, high, low);
    if (type !== EntryType.INVALID || !format.isPresent(high, low)) return type;
    return format.typeOf(level, (high & ~clear.high) | set.high, (low & ~clear.low) | set.low);
  }

  const walk = {
    level: 0,
    table: -1,
    index: 0,
    pages: 0,
    find(page: number): boolean {
      const high = pageHigh(page, pageShift);
      const low = pageLow(page, pageShift);
      let table = tables.root;
      for (let level = 0; ; level++) {
        const index = format.index(level, high, low);
        tables.read(table, index);
        const type = typeOf(level, tables.entryHigh, tables.entryLow);
        if (type === EntryType.TABLE) {
          table = format.pfnOf(tables.entryHigh, tables.entryLow);
          continue;
        }
        walk.level = level;
        walk.table = table;
        walk.index = index;
        walk.pages = pagesOf[level]!;
        return type === EntryType.LEAF;
      }
    },
    next(page: number): boolean {
      if (walk.index + 1 >= entriesOf[walk.level]!) return walk.find(page);
      walk.index++;
      tables.read(walk.table, walk.index);
      const type = typeOf(walk.level, tables.entryHigh, tables.entryLow);
      return type === EntryType.TABLE ? walk.find(page) : type === EntryType.LEAF;
    },
  };
  return walk;
}
