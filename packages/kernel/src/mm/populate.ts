import { inject, injectable } from "@kpkeys/core";
import { PageTableFormat, PageTables, toLevel, toVpn } from "@kpkeys/core/contracts";
import type { EntryCursor, Level, Pfn, Vpn } from "@kpkeys/core/contracts";
import { Sections } from "./sections.js";

/** Gives a zeroed table page for a level, or `undefined`. */
export type TakeTable = (level: Level) => Pfn | undefined;

/** Makes missing tables: `p4d_alloc`, `pud_alloc`, `pmd_alloc`, `pte_alloc`. */
@injectable()
export class Populate {
  constructor(
    @inject(PageTables) private readonly tables: PageTables,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(Sections) private readonly sections: Sections,
  ) {}

  /**
   * Puts a new table into an entry that points to none. The `gap` method of visitors that fill gaps.
   * @param entry - the entry
   * @param user - whether it translates user addresses
   * @param take - gives the table
   * @returns the table's page-frame number, or `"stop"` when `take` has none
   */
  link(entry: EntryCursor, user: boolean, take: TakeTable): Pfn | "stop" {
    const table = take(toLevel(entry.level + 1));
    if (table === undefined) return "stop";
    this.sections.lock(entry.table);
    entry.set(this.format.makeTable(table, user));
    this.sections.unlock(entry.table);
    return table;
  }

  /**
   * Finds the entry of a level that translates a page, and makes the tables that are missing on the way to it.
   * @param root - page-frame number of the top-level table
   * @param level - of the table that holds the entry
   * @param page - virtual page
   * @param user - whether it is a user's
   * @param take - gives a table
   * @returns the entry, which has not been read; `undefined` when `take` has no table: those made so far stay, as Linux leaves them
   */
  ensure(root: Pfn, level: Level, page: Vpn, user: boolean, take: TakeTable): EntryCursor | undefined {
    let found: EntryCursor | undefined;
    const range = { from: page, to: toVpn(page + 1) };
    this.tables.walk(root, range, {
      lowest: level,
      gap: (entry) => this.link(entry, user, take),
      run: (first) => {
        found = first;
        return undefined;
      },
    });
    return found;
  }
}
