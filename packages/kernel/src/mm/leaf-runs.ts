import type { EntryCursor, PageTableFormat, PageTables, Words } from "@kpkeys/core/contracts";

/**
 * Reads the entries of a table of pages and gives those that are present in runs, each entry pointing one page further than the one
 * before and otherwise alike: what `folio_pte_batch` finds, but by the frames alone, since the model has no folios.
 * @param first - the first entry
 * @param count - number of entries
 * @param visit - called with the first index of a run, its length, and its first entry
 */
export type EachRun = (
  first: EntryCursor,
  count: number,
  visit: (index: number, count: number, value: Words) => void,
) => void;

/**
 * Makes it.
 * @param tables - the entries
 * @param format - the codec
 */
export function createEachRun(tables: PageTables, format: PageTableFormat): EachRun {
  const pageBytes = 1 << format.geometry.pageShift;
  return ({ table, index: from }, entries, visit) => {
    let start = from;
    let count = 0;
    let first: Words = { high: 0, low: 0 };
    let nextHigh = 0;
    let nextLow = 0;
    for (let index = from; index < from + entries; index++) {
      const value = tables.read(table, index);
      if (count > 0 && (value.low !== nextLow || value.high !== nextHigh)) {
        visit(start, count, first);
        count = 0;
      }
      if (count === 0) {
        if (!format.isPresent(value.high, value.low)) continue;
        start = index;
        first = value;
      }
      count++;
      nextLow = (value.low + pageBytes) | 0;
      nextHigh = nextLow >>> 0 < pageBytes ? (value.high + 1) | 0 : value.high;
    }
    if (count > 0) visit(start, count, first);
  };
}
