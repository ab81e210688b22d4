import { KpkeysError } from "@kpkeys/core";
import { EntryType } from "@kpkeys/core/contracts";
import type { ArchTools, Cpus, LazyMmu, Mm, PageTableFormat, PageTables, PgtableArch } from "@kpkeys/core/contracts";
import type { ExceptionEntry } from "../exception-entry.js";
import { pageHigh, pageLow } from "../mm/addresses.js";
import type { EnsureTable } from "../mm/populate.js";
import type { Sections } from "../mm/sections.js";
import type { TlbFlush } from "../mm/tlb-flush.js";
import { outOfMemory } from "../out-of-memory.js";
import type { UserFrames } from "./frames.js";
import { VmaList } from "./vma.js";

// What is imported is loaded each time; what stands here is folded.
const { TABLE } = EntryType;

/** An address space with its mappings: `mm_struct`. */
export class KernelMm implements Mm {
  readonly id: number;
  readonly root: number;
  tablePages = 0;
  users = 1;
  /** `mm->context.id`: an ASID with its generation; 0 until a CPU first switches here. */
  contextId = 0;
  /** The ASID alone, which its TLB entries carry. */
  asid = 0;
  /** The mappings. */
  readonly vmas: VmaList = new VmaList();
  /** First page of the heap, once brk told it; -1 before. */
  heapStart = -1;
  /** One past the heap's last page. */
  heapEnd = -1;
  /** Whether new mappings are locked: VM_LOCKED in `def_flags`. */
  locksFuture = false;

  /**
   * @param id - its number
   * @param root - page-frame number of its top-level table
   */
  constructor(id: number, root: number) {
    this.id = id;
    this.root = root;
  }

  /**
   * The kernel's own object behind a contract's handle.
   * @param mm - what {@link AddressSpaces} gave
   * @throws KpkeysError ERR_API_MISUSE for an object of another maker
   */
  static of(mm: Mm): KernelMm {
    if (mm instanceof KernelMm) return mm;
    throw new KpkeysError("ERR_API_MISUSE", "an address space that this kernel did not make", { where: `mm ${mm.id}` });
  }
}

/** What the operations on address spaces are made with. */
export interface ProcessParts {
  /** The CPUs. */
  readonly cpus: Cpus;
  /** The codec. */
  readonly format: PageTableFormat;
  /** The architecture's layout. */
  readonly arch: PgtableArch;
  /** Words for an oops. */
  readonly tools: ArchTools;
  /** What a fault taken from kernel mode does first and last. */
  readonly exceptionEntry: ExceptionEntry;
  /** The setters. */
  readonly tables: PageTables;
  /** Makes missing tables. */
  readonly ensureTable: EnsureTable;
  /** User frames. */
  readonly frames: UserFrames;
  /** Lazy MMU mode. */
  readonly lazy: LazyMmu;
  /** Page-table locks, and what counts as an operation. */
  readonly sections: Sections;
  /** Invalidation. */
  readonly tlb: TlbFlush;
  /** Page-frame number of the page of zeroes. */
  readonly zeroPage: number;
}

/** The walk over user tables that unmap, fork, mprotect and mremap share. */
export interface UserTables {
  /** Level of the tables with pages. */
  readonly lastLevel: number;
  /** Entries of such a table. */
  readonly entries: number;
  /** Pages that an entry of each level spans. */
  readonly spans: readonly number[];
  /** Whether `mm_pgtables_bytes`, VmPTE in /proc, counts the tables of each level: those of pte, pmd and pud. */
  readonly counted: readonly boolean[];
  /**
   * Finds the table that translates a user page, and makes what is missing.
   * @param mm - the address space
   * @param page - virtual page
   * @param level - the table's level; the one with pages if left out
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  ensure(mm: KernelMm, page: number, level?: number): number;
  /**
   * Visits the tables with pages that exist in a range.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   * @param visit - called with the table, the first index and one past the last, and the virtual page of the first index
   */
  eachTable(
    mm: KernelMm,
    start: number,
    end: number,
    visit: (table: number, from: number, to: number, page: number) => void,
  ): void;
}

/** Makes the walk. @param parts - what it is made with */
export function createUserTables(parts: ProcessParts): UserTables {
  const { format, tables, ensureTable } = parts;
  const { levels, pageShift } = format.geometry;
  const lastLevel = levels.length - 1;
  const spans = levels.map(({ shift }) => 2 ** (shift - pageShift));
  const entries = 2 ** levels[lastLevel]!.indexBits;
  const counted = levels.map(({ name }) => name === "pte" || name === "pmd" || name === "pud");
  let growing: KernelMm | undefined;

  const take = (level: number): number => {
    const table = tables.allocTable("user", level);
    if (table >= 0 && counted[level]!) growing!.tablePages++;
    return table;
  };

  function visitLevel(
    level: number,
    table: number,
    start: number,
    end: number,
    visit: (table: number, from: number, to: number, page: number) => void,
  ): void {
    const span = spans[level]!;
    const first = format.index(level, pageHigh(start, pageShift), pageLow(start, pageShift));
    if (level === lastLevel) {
      visit(table, first, first + (end - start), start);
      return;
    }
    for (let index = first, page = start; page < end; index++) {
      const next = Math.min(end, (Math.floor(page / span) + 1) * span);
      tables.read(table, index);
      if (format.typeOf(level, tables.entryHigh, tables.entryLow) === TABLE) {
        visitLevel(level + 1, format.pfnOf(tables.entryHigh, tables.entryLow), page, next, visit);
      }
      page = next;
    }
  }

  return {
    lastLevel,
    entries,
    spans,
    counted,
    ensure(mm, page, level = lastLevel) {
      growing = mm;
      const table = ensureTable(mm.root, level, pageHigh(page, pageShift), pageLow(page, pageShift), true, take);
      if (table < 0) throw outOfMemory("a page table");
      return table;
    },
    eachTable(mm, start, end, visit) {
      if (start < end) visitLevel(0, mm.root, start, end, visit);
    },
  };
}
