import { inject, injectable } from "@kpkeys/core";
import { PageTableFormat, PageTables } from "@kpkeys/core/contracts";
import type { EntryCursor, Words } from "@kpkeys/core/contracts";
import { NO_ENTRY } from "./entries.js";

/** Finds runs of entries in last-level tables. */
@injectable()
export class LeafRuns {
  private readonly pageBytes: number;

  constructor(
    @inject(PageTables) private readonly tables: PageTables,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
  ) {
    this.pageBytes = 1 << format.geometry.pageShift;
  }

  /**
   * Visits the present entries of a last-level table in runs. Entries of a run map consecutive frames with equal attributes. This is
   * `folio_pte_batch` without folios, which the model does not have.
   * @param first - the first entry
   * @param entries - number of entries
   * @param visit - receives the first index of a run, its length and its first entry
   */
  each(
    { table, index: from }: EntryCursor,
    entries: number,
    visit: (index: number, count: number, value: Words) => void,
  ): void {
    const { tables, format, pageBytes } = this;
    let start = from;
    let count = 0;
    let first = NO_ENTRY;
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
  }
}
