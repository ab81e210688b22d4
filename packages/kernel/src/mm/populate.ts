import { EntryType } from "@kpkeys/core/contracts";
import type { PageTableFormat, PageTables } from "@kpkeys/core/contracts";
import type { Sections } from "./sections.js";

// What is imported is loaded each time; what stands here is folded.
const { TABLE } = EntryType;

/**
 * Finds the table of a level that translates an address and makes what is missing on the way: `p4d_alloc`, `pud_alloc`,
 * `pmd_alloc`, `pte_alloc`.
 * @param root - page-frame number of the top-level table
 * @param level - the level wanted, 0 being the top
 * @param high - bits 63 to 32 of the address
 * @param low - bits 31 to 0
 * @param user - whether the address is a user's
 * @param take - gives a zeroed table page for a level, or -1
 * @param from - level of the table to begin with, where `root` is not the top-level one
 * @returns the table's page-frame number; -1 when `take` has none, and then the tables made so far stay, as Linux leaves them
 */
export type EnsureTable = (
  root: number,
  level: number,
  high: number,
  low: number,
  user: boolean,
  take: (level: number) => number,
  from?: number,
) => number;

/**
 * Makes {@link EnsureTable}.
 * @param tables - the setters
 * @param format - the codec
 * @param sections - the lock of the table above
 */
export function createEnsureTable(tables: PageTables, format: PageTableFormat, sections: Sections): EnsureTable {
  const entry = { high: 0, low: 0 };
  return (root, level, high, low, user, take, from = 0) => {
    let table = root;
    for (let l = from; l < level; l++) {
      const index = format.index(l, high, low);
      tables.read(table, index);
      if (format.typeOf(l, tables.entryHigh, tables.entryLow) === TABLE) {
        table = format.pfnOf(tables.entryHigh, tables.entryLow);
        continue;
      }
      const next = take(l + 1);
      if (next < 0) return -1;
      format.makeTable(entry, next, user);
      sections.lock(table);
      tables.setEntry(l, table, index, entry.high, entry.low);
      sections.unlock(table);
      table = next;
    }
    return table;
  };
}
