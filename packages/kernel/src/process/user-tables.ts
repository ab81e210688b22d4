import { inject, injectable } from "@kpkeys/core";
import { LazyMmu, PageTableFormat, PageTables, toLevel } from "@kpkeys/core/contracts";
import type { EntryCursor, Level, PageRange, Pfn, TableVisitor, Vpn } from "@kpkeys/core/contracts";
import type { EntryPlace } from "@kpkeys/core/machine";
import { Populate } from "../mm/populate.js";
import { Sections } from "../mm/sections.js";
import { outOfMemory } from "../machine/errors.js";
import type { KernelMm } from "./mm.js";
import { PgdCache } from "./pgd-cache.js";

/** User page tables. */
@injectable()
export class UserTables {
  /** The last level. */
  readonly lastLevel: Level;
  /** Entries of a last-level table. */
  readonly entries: number;
  /** Pages that an entry of each level translates. */
  readonly spans: readonly number[];
  /** Whether `mm_pgtables_bytes` (VmPTE in /proc) counts the tables of each level: pte, pmd and pud. */
  readonly counted: readonly boolean[];

  constructor(
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(Populate) private readonly populate: Populate,
    @inject(LazyMmu) private readonly lazy: LazyMmu,
    @inject(Sections) private readonly sections: Sections,
    @inject(PgdCache) private readonly pgds: PgdCache,
  ) {
    const { levels, pageShift } = format.geometry;
    this.lastLevel = toLevel(levels.length - 1);
    this.entries = 2 ** levels[this.lastLevel]!.indexBits;
    this.spans = levels.map(({ shift }) => 2 ** (shift - pageShift));
    this.counted = levels.map(({ name }) => name === "pte" || name === "pmd" || name === "pud");
  }

  /**
   * `pgd_alloc`: makes a top-level table. With a shared root it copies the entries of the kernel's half.
   * @returns its first entry
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  allocPgd(): EntryPlace {
    const { splitRoots, levels } = this.format.geometry;
    const root = this.pgds.alloc();
    if (root === undefined) throw outOfMemory("a top-level page table");
    if (splitRoots) return root;
    const entries = 2 ** levels[0]!.indexBits;
    for (let index = entries / 2; index < entries; index++) {
      const entry = this.tables.read(this.tables.root, index);
      if (this.format.isPresent(entry.high, entry.low)) this.tables.setPgd(root.table, root.index + index, entry);
    }
    return root;
  }

  /** `pgd_free`. @param mm - an address space whose other tables are gone */
  freePgd({ root, rootIndex }: KernelMm): void {
    this.pgds.free({ table: root, index: rootIndex });
  }

  /** {@link PageTables.walk} from the top-level table of an address space. */
  walk({ root, rootIndex }: KernelMm, range: PageRange, visitor: TableVisitor): boolean {
    return this.tables.walk(root, range, visitor, { rootIndex });
  }

  /** {@link PageTables.entryAt} from the top-level table of an address space. */
  entryAt({ root, rootIndex }: KernelMm, level: Level, page: Vpn): EntryCursor | undefined {
    return this.tables.entryAt(root, level, page, rootIndex);
  }

  /**
   * Finds the entry that translates a user page. Makes missing tables.
   * @param mm - the address space
   * @param page - virtual page
   * @param level - level of the entry; default: the last level
   * @returns the entry, which was not read
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  ensure(mm: KernelMm, page: Vpn, level: Level = this.lastLevel): EntryCursor {
    const alloc = (below: Level): Pfn | undefined => this.allocTable(mm, below);
    const entry = this.populate.ensure(mm.root, level, page, true, alloc, mm.rootIndex);
    if (entry === undefined) throw outOfMemory("a page table");
    return entry;
  }

  /**
   * Changes the last-level entries of a range, one table at a time, with its lock held and in one lazy MMU section.
   * @param mm - the address space
   * @param from - first virtual page
   * @param to - one past the last
   * @param change - receives the first entry of a table in the range and the number of its entries in the range
   */
  change(mm: KernelMm, from: Vpn, to: Vpn, change: (first: EntryCursor, count: number) => void): void {
    this.walk(
      mm,
      { from, to },
      {
        run: (first, count) => {
          this.sections.lock(first.table);
          this.lazy.enable();
          change(first, count);
          this.lazy.disable();
          this.sections.unlock(first.table);
          return undefined;
        },
      },
    );
  }

  private allocTable(mm: KernelMm, level: Level): Pfn | undefined {
    const table = this.tables.allocTable("user", level);
    if (table !== undefined && this.counted[level]!) mm.tablePages++;
    return table;
  }
}
