import { inject, injectable } from "@kpkeys/core";
import { PageTableFormat, PageTables, toLevel, toVpn } from "@kpkeys/core/contracts";
import type { EntryCursor, Level, Pfn, TableVisitor, Vpn } from "@kpkeys/core/contracts";
import { Sections } from "./sections.js";

/** Allocates a zeroed table page for a level. Returns `undefined` if it fails. */
export type AllocTable = (level: Level) => Pfn | undefined;

/** Makes missing tables: `p4d_alloc`, `pud_alloc`, `pmd_alloc`, `pte_alloc`. */
@injectable()
export class Populate {
  constructor(
    @inject(PageTables) private readonly tables: PageTables,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(Sections) private readonly sections: Sections,
  ) {}

  /**
   * Links a new table into an empty entry. For the `gap` method of visitors.
   * @param entry - the entry
   * @param user - whether it translates user addresses
   * @param alloc - allocates the table
   * @returns the table's page-frame number; `"stop"` if the allocation fails
   */
  link(entry: EntryCursor, user: boolean, alloc: AllocTable): Pfn | "stop" {
    const table = alloc(toLevel(entry.level + 1));
    if (table === undefined) return "stop";
    this.sections.lock(entry.table);
    entry.set(this.format.makeTable(table, user));
    this.sections.unlock(entry.table);
    return table;
  }

  /**
   * Finds the entry of a level that translates a page. Makes the missing tables above it.
   * @param root - page-frame number of the top-level table
   * @param level - level of the entry
   * @param page - virtual page
   * @param user - whether the page is a user page
   * @param alloc - allocates a table
   * @param rootIndex - index of the root's first entry in its page; 0 if left out
   * @returns the entry, which was not read; `undefined` if an allocation fails. Tables made before the failure stay, as in Linux.
   */
  ensure(root: Pfn, level: Level, page: Vpn, user: boolean, alloc: AllocTable, rootIndex = 0): EntryCursor | undefined {
    let found: EntryCursor | undefined;
    const range = { from: page, to: toVpn(page + 1) };
    const visitor: TableVisitor = {
      lowest: level,
      gap: (entry) => this.link(entry, user, alloc),
      run: (first) => {
        found = first;
        return undefined;
      },
    };
    this.tables.walk(root, range, visitor, { rootIndex });
    return found;
  }
}
