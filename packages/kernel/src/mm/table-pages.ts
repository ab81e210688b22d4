import { Gfp } from "@kpkeys/core/contracts";
import type {
  ExtensionPoints,
  LevelGeometry,
  Observer,
  PageAllocator,
  PhysicalMemory,
  TableAllocator,
  TableSource,
} from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";
import type { KernelImage } from "../boot/image.js";
import type { Memblock } from "../boot/memblock.js";
import { createBuddyTables } from "./buddy-tables.js";
import type { TableMemory } from "./table-memory.js";

/** Sources by the number that is remembered for each page; 0 is no table. */
const SOURCES: readonly (TableSource | undefined)[] = [undefined, "static", "early", "vmemmap", "kernel", "user"];

/** `GFP_PGTABLE_KERNEL` and `GFP_PGTABLE_USER`, as of the series. */
const GFP_PGTABLE = { kernel: Gfp.KERNEL | Gfp.ZERO, user: Gfp.KERNEL | Gfp.ZERO | Gfp.ACCOUNT } as const;

/** Where page-table pages come from, and which page is one. */
export interface TablePages {
  /** Taken from the buddy allocator so far. */
  readonly allocated: number;
  /** Given back to it so far. */
  readonly freed: number;
  /**
   * Takes a page of a static pool.
   * @param role - which pool
   */
  takeStatic(role: "image" | "fixmap"): number;
  /**
   * Takes a page from memblock, zeroed, and tells the features.
   * @param source - what for
   * @returns its page-frame number; -1, of which the features are not told, when memblock has none left
   */
  takeEarly(source: "early" | "vmemmap"): number;
  /** See {@link PageTables.allocTable}. */
  alloc(source: "kernel" | "user", level?: number, gfp?: number): number;
  /** What gives the pages: the buddy allocator, or the feature that has taken its place. */
  readonly allocator: TableAllocator;
  /** See {@link PageTables.freeTable}. */
  free(table: number): void;
  /** See {@link PageTables.sourceOf}. */
  sourceOf(table: number): TableSource | undefined;
}

/**
 * Makes the allocation paths of table pages.
 * @param memory - RAM
 * @param image - holds the static pools
 * @param memblock - the early allocator
 * @param pages - the buddy allocator
 * @param tableMemory - zeroes pages
 * @param extensions - the features told
 * @param levels - the levels of tables, the top one first
 * @param observer - told of pages, if there is one
 */
export function createTablePages(
  memory: PhysicalMemory,
  image: KernelImage,
  memblock: Memblock,
  pages: PageAllocator,
  tableMemory: TableMemory,
  extensions: ExtensionPoints,
  levels: readonly LevelGeometry[],
  observer: Observer | undefined,
): TablePages {
  const wordsInPage = 2 ** (memory.pageShift - 3);
  const sources = new Uint8Array(reserve(memory.endPfn - memory.firstPfn));
  /** The level that each page from the buddy allocator was constructed for. */
  const levelOf = new Uint8Array(reserve(memory.endPfn - memory.firstPfn));
  const onCtor = extensions.handlers("tablePageCtor");
  const onDtor = extensions.handlers("tablePageDtor");
  const onEarly = extensions.handlers("earlyTablePage");
  const zero = (pfn: number): void => void tableMemory.store(pfn, 0, { high: 0, low: 0 }, 0, wordsInPage);
  const allocator = extensions.tableAllocator ?? createBuddyTables(pages, zero, extensions);

  function mark(pfn: number, source: TableSource): number {
    sources[pfn - memory.firstPfn] = SOURCES.indexOf(source);
    observer?.tablePage?.(pfn, source, true);
    return pfn;
  }
  mark(image.root, "static");

  /** Runs the constructors; when one refuses, the page is destructed where it was constructed and goes back. */
  function notConstructed(pfn: number, level: number, source: "kernel" | "user"): boolean {
    const { name } = levels[level]!;
    for (let i = 0; i < onCtor.length; i++) {
      if (onCtor[i]!(pfn, name, source) >= 0) continue;
      while (--i >= 0) onDtor[i]?.(pfn, name, source);
      return true;
    }
    levelOf[pfn - memory.firstPfn] = level;
    return false;
  }

  // Plain fields: an object literal with accessors is slow to use.
  const tablePages: { -readonly [F in keyof TablePages]: TablePages[F] } = {
    allocated: 0,
    freed: 0,
    takeStatic: (role) => mark(image.takeTable(role), "static"),
    takeEarly(source) {
      const given = allocator.allocEarly(source);
      const pfn = given >= 0 ? given : memblock.tryAlloc(1, 1);
      if (pfn < 0) return -1;
      for (const handler of onEarly) handler(pfn, source);
      return mark(pfn, source);
    },
    allocator,
    alloc(source, level = levels.length - 1, gfp = GFP_PGTABLE[source]) {
      const pfn = allocator.alloc(source, gfp);
      if (pfn < 0) return -1;
      if (notConstructed(pfn, level, source)) {
        allocator.free(pfn);
        return -1;
      }
      tablePages.allocated++;
      return mark(pfn, source);
    },
    free(table) {
      tablePages.freed++;
      const { name } = levels[levelOf[table - memory.firstPfn]!]!;
      const source = SOURCES[sources[table - memory.firstPfn]!] === "user" ? "user" : "kernel";
      for (const handler of onDtor) handler(table, name, source);
      observer?.tablePage?.(table, tablePages.sourceOf(table) ?? source, false);
      sources[table - memory.firstPfn] = 0;
      allocator.free(table);
    },
    sourceOf: (table) => SOURCES[sources[table - memory.firstPfn] ?? 0],
  };
  return tablePages;
}
