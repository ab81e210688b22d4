import { EntryType, toLevel, toVpn } from "@kpkeys/core/contracts";
import type {
  EntryCursor,
  Level,
  PageRange,
  PageTableFormat,
  PageTables,
  Pfn,
  TableVisitor,
  Vpn,
  WalkOptions,
  Words,
} from "@kpkeys/core/contracts";
import { NO_ENTRY } from "./entries.js";

// Translation of a virtual address with four levels and 4 KiB pages (other geometries have other widths):
//
//   63      48 47      39 38      30 29      21 20      12 11       0
//   |  half   | index 0  | index 1  | index 2  | index 3  |  offset  |
//             '------------------ page number -----------'
//
//   root: table 0 [index 0] -> table 1 [index 1] -> table 2 [index 2] -> table 3 [index 3] -> page
//         pgd                  pud                  pmd                  pte
//
// An entry above the last level points to a table, maps a block, or is empty. An entry of level n translates
// `2 ** (shift of n - page shift)` pages. With split roots the half selects the root; with a shared root index 0 covers both halves.

// Local copies: docs/performance.md, "Imported bindings".
const { TABLE } = EntryType;

/** The functions of {@link PageTables} that the walk calls. */
type Access = Pick<PageTables, "read" | "setEntry">;

/** {@link EntryCursor} that uses the kernel's accesses. */
class Cursor implements EntryCursor {
  readonly level: Level;
  readonly table: Pfn;
  readonly index: number;
  readonly page: Vpn;
  readonly pages: number;
  private readonly tables: Access;

  constructor(tables: Access, level: Level, table: Pfn, index: number, page: Vpn, pages: number) {
    this.tables = tables;
    this.level = level;
    this.table = table;
    this.index = index;
    this.page = page;
    this.pages = pages;
  }

  read(): Words {
    return this.tables.read(this.table, this.index);
  }

  set(entry: Words): void {
    this.tables.setEntry(this.level, this.table, this.index, entry);
  }

  clear(): void {
    this.set(NO_ENTRY);
  }
}

/** Parameters of a walk. All plans have the same fields, so V8 gives them one shape (docs/performance.md, "Classes"). */
interface Plan {
  readonly lowest: Level;
  readonly table: TableVisitor["table"] | undefined;
  readonly leave: TableVisitor["leave"] | undefined;
  readonly gap: TableVisitor["gap"] | undefined;
  readonly run: TableVisitor["run"] | undefined;
  readonly downward: boolean;
}

/** The kernel's page-table walk. All code that reads or changes tables by address uses it. */
export class TableWalk {
  private readonly tables: Access;
  private readonly format: PageTableFormat;
  /** Pages that an entry of each level translates. */
  private readonly spans: readonly number[];
  /** Number of entries of a table of each level, minus 1. */
  private readonly masks: readonly number[];
  private readonly last: Level;

  /**
   * @param tables - reads and writes entries
   * @param format - the geometry and the codec
   */
  constructor(tables: Access, format: PageTableFormat) {
    const { levels, pageShift } = format.geometry;
    this.tables = tables;
    this.format = format;
    this.spans = levels.map(({ shift }) => 2 ** (shift - pageShift));
    this.masks = levels.map(({ indexBits }) => 2 ** indexBits - 1);
    this.last = toLevel(levels.length - 1);
  }

  /** See {@link PageTables.walk}. */
  walk(root: Pfn, { from, to }: PageRange, visitor: TableVisitor, options?: WalkOptions): boolean {
    const { lowest = this.last, table, leave, gap, run } = visitor;
    const plan = { lowest, downward: options?.downward ?? false, table, leave, gap, run };
    return from >= to || this.visit(plan, toLevel(0), root, options?.rootIndex ?? 0, from, to);
  }

  /** See {@link PageTables.entryAt}. */
  entryAt(root: Pfn, level: Level, page: Vpn, rootIndex: number): EntryCursor | undefined {
    let found: EntryCursor | undefined;
    const range = { from: page, to: toVpn(page + 1) };
    const run = (first: EntryCursor): undefined => {
      found = first;
    };
    this.walk(root, range, { lowest: level, run }, { rootIndex });
    return found;
  }

  /**
   * Visits the entries of a table that translate a range, and the tables below them.
   * @param start - index of the table's first entry in its page: 0 except for a root smaller than a page
   * @returns whether the walk continues
   */
  private visit(plan: Plan, level: Level, table: Pfn, start: number, from: Vpn, to: Vpn): boolean {
    const { lowest, downward } = plan;
    const span = this.spans[level]!;
    const mask = this.masks[level]!;
    // Entry numbers start at address 0 and count all tables of the level. `&` with the mask uses such a number modulo 2^32.
    const first = Math.floor(from / span);
    const last = Math.ceil(to / span) - 1;
    if (level === lowest) {
      if (plan.run === undefined) return true;
      const cursor = this.cursor(level, table, start + (first & mask), from, to);
      return plan.run(cursor, last - first + 1) !== "stop";
    }
    for (let i = 0; i <= last - first; i++) {
      const number = downward ? last - i : first + i;
      const index = start + (number & mask);
      const page = toVpn(Math.max(from, number * span));
      const end = toVpn(Math.min(to, (number + 1) * span));
      const value = this.tables.read(table, index);
      if (this.format.typeOf(level, value.high, value.low) === TABLE) {
        const below = this.format.pfnOf(value.high, value.low);
        if (plan.table?.(this.cursor(level, table, index, page, end), below) === "stop") return false;
        if (!this.visit(plan, toLevel(level + 1), below, 0, page, end)) return false;
        plan.leave?.(this.cursor(level, table, index, page, end), below);
      } else if (plan.gap !== undefined) {
        const below = plan.gap(this.cursor(level, table, index, page, end), value);
        if (below === "stop") return false;
        if (below !== undefined && !this.visit(plan, toLevel(level + 1), below, 0, page, end)) return false;
      }
    }
    return true;
  }

  private cursor(level: Level, table: Pfn, index: number, page: Vpn, end: Vpn): Cursor {
    return new Cursor(this.tables, level, table, index, page, end - page);
  }
}
