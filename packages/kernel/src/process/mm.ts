import { KpkeysError } from "@kpkeys/core";
import { toLevel } from "@kpkeys/core/contracts";
import type {
  ArchTools,
  Cpus,
  EntryCursor,
  LazyMmu,
  Level,
  Mm,
  PageTableFormat,
  PageTables,
  Pfn,
  PgtableArch,
  Vpn,
} from "@kpkeys/core/contracts";
import type { ExceptionEntry } from "../exception-entry.js";
import type { Populate } from "../mm/populate.js";
import type { Sections } from "../mm/sections.js";
import type { TlbFlush } from "../mm/tlb-flush.js";
import { outOfMemory } from "../out-of-memory.js";
import type { UserFrames } from "./frames.js";
import { VmaList } from "./vma.js";

/** An address space with its mappings: `mm_struct`. */
export class KernelMm implements Mm {
  readonly id: number;
  readonly root: Pfn;
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
  constructor(id: number, root: Pfn) {
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
  readonly populate: Populate;
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

/** The user tables of an address space. */
export interface UserTables {
  /** Level of the tables with pages. */
  readonly lastLevel: Level;
  /** Entries of such a table. */
  readonly entries: number;
  /** Pages that an entry of each level translates. */
  readonly spans: readonly number[];
  /** Whether `mm_pgtables_bytes`, VmPTE in /proc, counts the tables of each level: those of pte, pmd and pud. */
  readonly counted: readonly boolean[];
  /**
   * Finds the entry that translates a user page, and makes the tables that are missing on the way to it.
   * @param mm - the address space
   * @param page - virtual page
   * @param level - of the table that holds the entry; the one with pages if left out
   * @returns the entry, which has not been read
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  ensure(mm: KernelMm, page: Vpn, level?: Level): EntryCursor;
}

/** Makes it. @param parts - what it is made with */
export function createUserTables({ format, tables, populate }: ProcessParts): UserTables {
  const { levels, pageShift } = format.geometry;
  const lastLevel = toLevel(levels.length - 1);
  const counted = levels.map(({ name }) => name === "pte" || name === "pmd" || name === "pud");
  return {
    lastLevel,
    entries: 2 ** levels[lastLevel]!.indexBits,
    spans: levels.map(({ shift }) => 2 ** (shift - pageShift)),
    counted,
    ensure(mm, page, level = lastLevel) {
      const take = (below: Level): Pfn => {
        const table = tables.allocTable("user", below);
        if (table >= 0 && counted[below]!) mm.tablePages++;
        return table;
      };
      const entry = populate.ensure(mm.root, level, page, true, take);
      if (entry === undefined) throw outOfMemory("a page table");
      return entry;
    },
  };
}
