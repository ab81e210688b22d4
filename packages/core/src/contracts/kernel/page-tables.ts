import type { Setter } from "../setters.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * Where a page-table page came from.
 *
 * - `static` — inside the kernel image
 * - `early` — from memblock, for the linear map
 * - `vmemmap` — from memblock, for the map of struct pages
 * - `kernel` — from the buddy allocator, for kernel addresses
 * - `user` — from the buddy allocator, for a process
 */
export type TableSource = "static" | "early" | "vmemmap" | "kernel" | "user";

/** Counts of page-table writes, always on. */
export interface PageTableCounters {
  /** Entries written, by setter. */
  readonly writes: Readonly<Record<Setter, number>>;
  /** All entries written. */
  readonly total: number;
  /** Entries read, apart from those that a setter reads to change them. */
  readonly reads: number;
  /** Barriers that mainline's setters emit themselves. */
  readonly barriers: number;
  /** Table pages allocated from the buddy allocator. */
  readonly tablesAllocated: number;
  /** Table pages given back to it. */
  readonly tablesFreed: number;
}

/**
 * Page tables as the kernel handles them: a table is named by its page-frame number, an entry by its index. Reads and writes
 * go through the MMU of the current CPU with the current key register, so a write that no guard opens faults: then a
 * KpkeysError ERR_KERNEL_FAULT carries the architecture's report.
 */
export interface PageTables {
  /** Page-frame number of `init_mm`'s top-level table: swapper_pg_dir, init_top_pgt. */
  readonly root: number;
  /** What was written so far. */
  readonly counters: PageTableCounters;
  /** Bits 63 to 32 of the entry that the last {@link read} or get-and-clear gave. */
  readonly entryHigh: number;
  /** Bits 31 to 0 of that entry. */
  readonly entryLow: number;
  /**
   * Reads an entry into {@link entryHigh} and {@link entryLow}.
   * @param table - page-frame number
   * @param index - which entry
   */
  read(table: number, index: number): void;
  /** `set_pte`. @param table - page-frame number @param index - which entry @param high - bits 63 to 32 @param low - bits 31 to 0 */
  setPte(table: number, index: number, high: number, low: number): void;
  /**
   * `set_ptes`: a run of entries, each pointing one page further than the one before.
   * @param table - page-frame number
   * @param index - first index; the run ends inside the table
   * @param high - bits 63 to 32 of the first entry
   * @param low - bits 31 to 0 of the first entry
   * @param count - number of entries, at least 1
   */
  setPtes(table: number, index: number, high: number, low: number, count: number): void;
  /** `set_pmd`. @param table - page-frame number @param index - which entry @param high - bits 63 to 32 @param low - bits 31 to 0 */
  setPmd(table: number, index: number, high: number, low: number): void;
  /** `set_pud`. @param table - page-frame number @param index - which entry @param high - bits 63 to 32 @param low - bits 31 to 0 */
  setPud(table: number, index: number, high: number, low: number): void;
  /** `set_p4d`. @param table - page-frame number @param index - which entry @param high - bits 63 to 32 @param low - bits 31 to 0 */
  setP4d(table: number, index: number, high: number, low: number): void;
  /** `set_pgd`. @param table - page-frame number @param index - which entry @param high - bits 63 to 32 @param low - bits 31 to 0 */
  setPgd(table: number, index: number, high: number, low: number): void;
  /**
   * The setter of a level: set_p4d at the top where the p4d is folded, then set_pud, set_pmd, set_pte.
   * @param level - 0 being the top
   * @param table - page-frame number
   * @param index - which entry
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  setEntry(level: number, table: number, index: number, high: number, low: number): void;
  /**
   * `ptep_test_and_clear_young`.
   * @param table - page-frame number
   * @param index - which entry
   * @returns whether the page had been accessed
   */
  ptepTestAndClearYoung(table: number, index: number): boolean;
  /**
   * `ptep_get_and_clear`: exchanges the entry with 0 and leaves the old one in {@link entryHigh} and {@link entryLow}.
   * @param table - page-frame number
   * @param index - which entry
   */
  ptepGetAndClear(table: number, index: number): void;
  /**
   * `clear_full_ptes`: {@link ptepGetAndClear} of a run of entries, of which none is kept.
   * @param table - page-frame number
   * @param index - first index; the run ends inside the table
   * @param count - number of entries, at least 1
   */
  clearFullPtes(table: number, index: number, count: number): void;
  /** `ptep_set_wrprotect`. @param table - page-frame number @param index - which entry */
  ptepSetWrprotect(table: number, index: number): void;
  /**
   * `wrprotect_ptes`: {@link ptepSetWrprotect} of a run of entries, each pointing one page further than the one before and otherwise
   * alike.
   * @param table - page-frame number
   * @param index - first index; the run ends inside the table
   * @param count - number of entries, at least 1
   */
  wrprotectPtes(table: number, index: number, count: number): void;
  /**
   * `clear_young_dirty_ptes`, one entry.
   * @param table - page-frame number
   * @param index - which entry
   * @param young - clear the access state
   * @param dirty - clear the dirty state
   */
  clearYoungDirtyPte(table: number, index: number, young: boolean, dirty: boolean): void;
  /**
   * `pmdp_establish`: exchanges a leaf of the pmd level.
   * @param table - page-frame number
   * @param index - which entry
   * @param high - bits 63 to 32 of the new entry
   * @param low - bits 31 to 0
   */
  pmdpEstablish(table: number, index: number, high: number, low: number): void;
  /**
   * `ptep_set_access_flags`: gives a leaf the young, dirty and writable state of another entry.
   * @param table - page-frame number
   * @param index - which entry
   * @param high - bits 63 to 32 of the entry with the state wanted
   * @param low - bits 31 to 0
   * @returns whether anything changed
   */
  ptepSetAccessFlags(table: number, index: number, high: number, low: number): boolean;
  /**
   * Takes a zeroed table page from the buddy allocator: `pagetable_alloc`. Features see it before it is used and may refuse.
   * @param source - `kernel` or `user`
   * @param level - the level that it is for, 0 being the top; the lowest if left out
   * @returns its page-frame number, or -1 when there is no memory or a feature refused
   */
  allocTable(source: TableSource, level?: number): number;
  /**
   * Gives a table page back: `pagetable_free`.
   * @param table - page-frame number
   */
  freeTable(table: number): void;
  /**
   * Where a table page came from; `undefined` for a page that no allocation path knows as a table.
   * @param table - page-frame number
   */
  sourceOf(table: number): TableSource | undefined;
  /**
   * Finds the table of a level that translates an address.
   * @param root - page-frame number of the top-level table
   * @param level - 0 being the top
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @returns the table's page-frame number, or -1 when the walk ends above
   */
  tableAt(root: number, level: number, high: number, low: number): number;
}

/** Token of {@link PageTables}. */
export const PageTables: Token<PageTables> = token("PageTables");
