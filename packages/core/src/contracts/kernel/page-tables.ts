import type { Level, Pfn, Vpn } from "../numbers.js";
import type { Words } from "../pkey-register.js";
import type { Setter } from "../setters.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * The source of a page-table page.
 *
 * - `static` — inside the kernel image
 * - `early` — from memblock, for the linear map
 * - `vmemmap` — from memblock, for the map of struct pages
 * - `kernel` — from the buddy allocator, for kernel addresses
 * - `user` — from the buddy allocator, for a process
 */
export type TableSource = "static" | "early" | "vmemmap" | "kernel" | "user";

/** Counters of page-table accesses. */
export interface PageTableCounters {
  /** Entries written, by setter. */
  readonly writes: Readonly<Record<Setter, number>>;
  /** All entries written. */
  readonly total: number;
  /** Entries read, without those that a setter reads to change them. */
  readonly reads: number;
  /** Barriers that the setters of mainline emit. */
  readonly barriers: number;
  /** Table pages allocated from the buddy allocator. */
  readonly tablesAllocated: number;
  /** Table pages freed to the buddy allocator. */
  readonly tablesFreed: number;
}

/** A run of virtual pages in one half of the address space. */
export interface PageRange {
  /** First page. */
  readonly from: Vpn;
  /** One past the last page. */
  readonly to: Vpn;
}

/** An entry of a table, with the pages that it translates. */
export interface EntryCursor {
  /** Level of the table. */
  readonly level: Level;
  /** Page-frame number of the table. */
  readonly table: Pfn;
  /** Index of the entry in the page; in a root smaller than a page it counts from the start of the page, not of the root. */
  readonly index: number;
  /** First page of the walk's range that the entry translates. */
  readonly page: Vpn;
  /** Number of pages of the walk's range that it translates, from {@link page} on. */
  readonly pages: number;
  /** Reads it. */
  read(): Words;
  /** Writes it with the setter of its level. @param entry - the new value */
  set(entry: Words): void;
  /** Writes 0 with the setter of its level. */
  clear(): void;
}

/**
 * The callbacks of a walk. All are optional. A callback that returns `"stop"` ends the walk; no other callback is called.
 */
export interface TableVisitor {
  /** The lowest level of tables that the walk visits; the level of pages if left out. */
  readonly lowest?: Level;
  /**
   * An entry above {@link lowest} that points to a table, before the entries of that table.
   * @param entry - the entry
   * @param below - page-frame number of the table that it points to
   */
  readonly table?: (entry: EntryCursor, below: Pfn) => "stop" | undefined;
  /**
   * The same entry, after the entries of that table.
   * @param entry - the entry
   * @param below - page-frame number of the table that it points to
   */
  readonly leave?: (entry: EntryCursor, below: Pfn) => void;
  /**
   * An entry above {@link lowest} that points to no table.
   * @param entry - the entry
   * @param value - its value: a block, or an entry that is not valid
   * @returns the table that the callback has inserted, in which the walk continues; `undefined` to skip the entry
   */
  readonly gap?: (entry: EntryCursor, value: Words) => Pfn | "stop" | undefined;
  /**
   * The entries of a table of level {@link lowest} that translate pages of the range. They are not read yet.
   * @param first - the first entry; its `pages` are those of all these entries
   * @param count - number of entries
   */
  readonly run?: (first: EntryCursor, count: number) => "stop" | undefined;
}

/** Options of a walk. */
export interface WalkOptions {
  /** Whether it visits the last page first. False if left out. */
  readonly downward?: boolean;
  /** Index of the root's first entry in its page: `Mm.rootIndex`. 0 if left out. */
  readonly rootIndex?: number;
}

/**
 * The kernel's access to page tables: a table is identified by its page-frame number, an entry by its index. Reads and writes go through
 * the MMU of the current CPU with the current key register. A write that a key denies throws KpkeysError ERR_KERNEL_FAULT with the
 * architecture's report.
 */
export interface PageTables {
  /** Page-frame number of `init_mm`'s top-level table: swapper_pg_dir, init_top_pgt. */
  readonly root: Pfn;
  /** The kernel's half of the address space. */
  readonly kernelRange: PageRange;
  /** Its counters. */
  readonly counters: PageTableCounters;
  /** Reads an entry. @param table - page-frame number @param index - which entry */
  read(table: Pfn, index: number): Words;
  /**
   * Walks the tables that translate a range, in the order of addresses: `walk_page_range`. It reads each entry above
   * {@link TableVisitor.lowest} once.
   * @param root - page-frame number of the top-level table
   * @param range - the pages
   * @param visitor - the callbacks
   * @param options - the order, and the start of the root in its page
   * @returns true if the walk was not stopped
   */
  walk(root: Pfn, range: PageRange, visitor: TableVisitor, options?: WalkOptions): boolean;
  /**
   * Finds the entry of a level that translates a page: `pgd_offset`, `p4d_offset`, `pud_offset`, `pmd_offset`, `pte_offset`.
   * @param root - page-frame number of the top-level table
   * @param level - the level of the table that holds the entry
   * @param page - virtual page
   * @param rootIndex - index of the root's first entry in its page: `Mm.rootIndex`; 0 if left out
   * @returns the entry, which is not read yet; `undefined` if the walk ends above it
   */
  entryAt(root: Pfn, level: Level, page: Vpn, rootIndex?: number): EntryCursor | undefined;
  /** `set_pte`. @param table - page-frame number @param index - which entry @param entry - the new value */
  setPte(table: Pfn, index: number, entry: Words): void;
  /**
   * `set_ptes`: a run of entries that point to consecutive pages.
   * @param table - page-frame number
   * @param index - first index; the run ends inside the table
   * @param first - the first entry
   * @param count - number of entries, at least 1
   */
  setPtes(table: Pfn, index: number, first: Words, count: number): void;
  /** `set_pmd`. @param table - page-frame number @param index - which entry @param entry - the new value */
  setPmd(table: Pfn, index: number, entry: Words): void;
  /** `set_pud`. @param table - page-frame number @param index - which entry @param entry - the new value */
  setPud(table: Pfn, index: number, entry: Words): void;
  /** `set_p4d`. @param table - page-frame number @param index - which entry @param entry - the new value */
  setP4d(table: Pfn, index: number, entry: Words): void;
  /** `set_pgd`. @param table - page-frame number @param index - which entry @param entry - the new value */
  setPgd(table: Pfn, index: number, entry: Words): void;
  /**
   * The setter of a level: set_p4d at the top if the p4d is folded, then set_pud, set_pmd, set_pte.
   * @param level - the level of the table
   * @param table - page-frame number
   * @param index - which entry
   * @param entry - the new value
   */
  setEntry(level: Level, table: Pfn, index: number, entry: Words): void;
  /**
   * `ptep_test_and_clear_young`.
   * @param table - page-frame number
   * @param index - which entry
   * @returns whether the page was accessed
   */
  ptepTestAndClearYoung(table: Pfn, index: number): boolean;
  /**
   * `ptep_get_and_clear`: exchanges the entry with 0.
   * @param table - page-frame number
   * @param index - which entry
   * @returns the old entry
   */
  ptepGetAndClear(table: Pfn, index: number): Words;
  /**
   * `clear_full_ptes`: {@link ptepGetAndClear} of a run of entries, without their values.
   * @param table - page-frame number
   * @param index - first index; the run ends inside the table
   * @param count - number of entries, at least 1
   */
  clearFullPtes(table: Pfn, index: number, count: number): void;
  /** `ptep_set_wrprotect`. @param table - page-frame number @param index - which entry */
  ptepSetWrprotect(table: Pfn, index: number): void;
  /**
   * `wrprotect_ptes`: {@link ptepSetWrprotect} of a run of entries that point to consecutive pages and are otherwise equal.
   * @param table - page-frame number
   * @param index - first index; the run ends inside the table
   * @param count - number of entries, at least 1
   */
  wrprotectPtes(table: Pfn, index: number, count: number): void;
  /**
   * `clear_young_dirty_ptes`, one entry.
   * @param table - page-frame number
   * @param index - which entry
   * @param young - clear the access state
   * @param dirty - clear the dirty state
   */
  clearYoungDirtyPte(table: Pfn, index: number, young: boolean, dirty: boolean): void;
  /**
   * `pmdp_establish`: exchanges a leaf of the pmd level.
   * @param table - page-frame number
   * @param index - which entry
   * @param entry - the new value
   * @returns the old entry
   */
  pmdpEstablish(table: Pfn, index: number, entry: Words): Words;
  /**
   * `ptep_set_access_flags`: sets the young, dirty and writable state of a leaf as in another entry.
   * @param table - page-frame number
   * @param index - which entry
   * @param wanted - the entry with that state
   * @returns whether the leaf changed
   */
  ptepSetAccessFlags(table: Pfn, index: number, wanted: Words): boolean;
  /**
   * Allocates a zeroed table page from the buddy allocator: `pagetable_alloc`. Features are notified before it is used, and can make the
   * allocation fail.
   * @param source - `kernel` or `user`
   * @param level - the level that it is for; the lowest if left out
   * @returns its page-frame number; `undefined` without memory, or if a feature returned an error
   */
  allocTable(source: "kernel" | "user", level?: Level): Pfn | undefined;
  /**
   * Frees a table page: `pagetable_free`.
   * @param table - page-frame number
   */
  freeTable(table: Pfn): void;
  /**
   * The source of a table page; `undefined` for a page that is not a table.
   * @param table - page-frame number
   */
  sourceOf(table: Pfn): TableSource | undefined;
}

/** Token of {@link PageTables}. */
export const PageTables: Token<PageTables> = token("PageTables");
