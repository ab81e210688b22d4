import type { Level, PageTableFormat, Pfn, Protection, Words } from "@kpkeys/core/contracts";

/** An entry that is not in use. */
export const NO_ENTRY: Words = { high: 0, low: 0 };

/**
 * A leaf as an entry.
 * @param format - the codec
 * @param level - of the table that it goes to
 * @param pfn - first page-frame number
 * @param protection - its other bits
 */
export function leafOf(format: PageTableFormat, level: Level, pfn: Pfn, protection: Protection): Words {
  const leaf = { high: 0, low: 0 };
  format.makeLeaf(leaf, level, pfn, protection);
  return leaf;
}

/**
 * An entry that points to a table.
 * @param format - the codec
 * @param table - page-frame number
 * @param user - whether it translates user addresses
 */
export function tableEntryOf(format: PageTableFormat, table: Pfn, user: boolean): Words {
  const entry = { high: 0, low: 0 };
  format.makeTable(entry, table, user);
  return entry;
}

/**
 * The entry whose address is some pages further than that of another one, which is otherwise alike.
 * @param entry - the other one
 * @param pages - how many, 0 or more
 * @param pageShift - log2 of the page size in bytes
 */
export function entryAfter(entry: Words, pages: number, pageShift: number): Words {
  if (pages === 0) return entry;
  const number = (entry.low >>> pageShift) + pages;
  const low = (number << pageShift) | (entry.low & ((1 << pageShift) - 1));
  return { high: (entry.high + (number >>> (32 - pageShift))) | 0, low };
}
