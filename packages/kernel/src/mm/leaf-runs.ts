import type { PageTableFormat, PageTables } from "@kpkeys/core/contracts";

/**
 * Reads entries of a table of pages and gives those that are present in runs, each entry pointing one page further than the one before
 * and otherwise alike: what `folio_pte_batch` finds, but by the frames alone, since the model has no folios.
 * @param table - page-frame number
 * @param from - first index
 * @param to - one past the last
 * @param visit - called with the first index of a run, how long it is, and its first entry
 */
export type EachRun = (
  table: number,
  from: number,
  to: number,
  visit: (index: number, count: number, high: number, low: number) => void,
) => void;

/**
 * Makes it.
 * @param tables - the entries
 * @param format - the codec
 */
export function createEachRun(tables: PageTables, format: PageTableFormat): EachRun {
  const pageBytes = 1 << format.geometry.pageShift;
  return (table, from, to, visit) => {
    let start = from;
    let count = 0;
    let firstHigh = 0;
    let firstLow = 0;
    let nextHigh = 0;
    let nextLow = 0;
    for (let index = from; index < to; index++) {
      tables.read(table, index);
      const { entryHigh, entryLow } = tables;
      if (count > 0 && (entryLow !== nextLow || entryHigh !== nextHigh)) {
        visit(start, count, firstHigh, firstLow);
        count = 0;
      }
      if (count === 0) {
        if (!format.isPresent(entryHigh, entryLow)) continue;
        start = index;
        firstHigh = entryHigh;
        firstLow = entryLow;
      }
      count++;
      nextLow = (entryLow + pageBytes) | 0;
      nextHigh = nextLow >>> 0 < pageBytes ? (entryHigh + 1) | 0 : entryHigh;
    }
    if (count > 0) visit(start, count, firstHigh, firstLow);
  };
}
