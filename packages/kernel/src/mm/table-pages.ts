import type { ExtensionPoints, PageAllocator, PhysicalMemory, TableSource } from "@kpkeys/core/contracts";
import type { KernelImage } from "../boot/image.js";
import type { Memblock } from "../boot/memblock.js";
import type { TableMemory } from "./table-memory.js";

/** Sources by the number that is remembered for each page; 0 is no table. */
const SOURCES: readonly (TableSource | undefined)[] = [undefined, "static", "early", "vmemmap", "kernel", "user"];

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
   */
  takeEarly(source: "early" | "vmemmap"): number;
  /** See {@link PageTables.allocTable}. */
  alloc(source: "kernel" | "user"): number;
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
 */
export function createTablePages(
  memory: PhysicalMemory,
  image: KernelImage,
  memblock: Memblock,
  pages: PageAllocator,
  tableMemory: TableMemory,
  extensions: ExtensionPoints,
): TablePages {
  const sources = new Uint8Array(memory.endPfn - memory.firstPfn);
  const onAllocated = extensions.handlers("tablePageAllocated");
  const onFreeing = extensions.handlers("tablePageFreeing");
  const onEarly = extensions.handlers("earlyTablePage");

  function mark(pfn: number, source: TableSource): number {
    sources[pfn - memory.firstPfn] = SOURCES.indexOf(source);
    return pfn;
  }
  mark(image.root, "static");

  /** `__GFP_ZERO`: before the page has a key, so that no context is needed. */
  function zero(pfn: number): void {
    tableMemory.storeRun(pfn, 0, 0, 0, 0, 512);
  }

  /** Asks the features; when one refuses, those asked before are told that the page goes back. */
  function refused(pfn: number): boolean {
    for (let i = 0; i < onAllocated.length; i++) {
      if (onAllocated[i]!(pfn) >= 0) continue;
      while (--i >= 0) onFreeing[i]?.(pfn);
      return true;
    }
    return false;
  }

  // Plain fields: an object literal with accessors is slow to use.
  const tablePages: { -readonly [F in keyof TablePages]: TablePages[F] } = {
    allocated: 0,
    freed: 0,
    takeStatic: (role) => mark(image.takeTable(role), "static"),
    takeEarly(source) {
      const pfn = memblock.alloc(1, 1);
      for (const handler of onEarly) handler(pfn, source);
      return mark(pfn, source);
    },
    alloc(source) {
      const pfn = pages.alloc(0);
      if (pfn < 0) return -1;
      zero(pfn);
      if (refused(pfn)) {
        pages.free(pfn, 0);
        return -1;
      }
      tablePages.allocated++;
      return mark(pfn, source);
    },
    free(table) {
      tablePages.freed++;
      sources[table - memory.firstPfn] = 0;
      for (const handler of onFreeing) handler(table);
      pages.free(table, 0);
    },
    sourceOf: (table) => SOURCES[sources[table - memory.firstPfn] ?? 0],
  };
  return tablePages;
}
