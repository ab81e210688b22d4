import { inject, injectable } from "@kpkeys/core";
import {
  ExtensionPoints,
  Gfp,
  Observers,
  PageTableFormat,
  PhysicalMemory,
  toLevel,
  toPfn,
} from "@kpkeys/core/contracts";
import type { ExtensionHandlers, Level, LevelGeometry, Pfn, TableAllocator, TableSource } from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";
import { KernelImage } from "../boot/image.js";
import { Memblock } from "../boot/memblock.js";
import { BuddyTables } from "./buddy-tables.js";

/** Sources by the number that is remembered for each page; 0 is no table. */
const SOURCES: readonly (TableSource | undefined)[] = [undefined, "static", "early", "vmemmap", "kernel", "user"];

/** `GFP_PGTABLE_KERNEL` and `GFP_PGTABLE_USER`, as of the series. */
const GFP_PGTABLE = { kernel: Gfp.KERNEL | Gfp.ZERO, user: Gfp.KERNEL | Gfp.ZERO | Gfp.ACCOUNT } as const;

/** Where page-table pages come from, and which page is one. */
@injectable()
export class TablePages {
  /** Taken from the buddy allocator so far. */
  allocated = 0;
  /** Given back to it so far. */
  freed = 0;
  /** What gives the pages: the buddy allocator, or the feature that has taken its place. */
  readonly allocator: TableAllocator;
  private readonly levels: readonly LevelGeometry[];
  private readonly firstPfn: Pfn;
  private readonly sources: Uint8Array;
  /** The level that each page from the buddy allocator was constructed for. */
  private readonly levelOf: Uint8Array;
  private readonly onCtor: readonly ExtensionHandlers["tablePageCtor"][];
  private readonly onDtor: readonly ExtensionHandlers["tablePageDtor"][];
  private readonly onEarly: readonly ExtensionHandlers["earlyTablePage"][];

  constructor(
    @inject(PhysicalMemory) memory: PhysicalMemory,
    @inject(KernelImage) private readonly image: KernelImage,
    @inject(Memblock) private readonly memblock: Memblock,
    @inject(BuddyTables) buddyTables: BuddyTables,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
    @inject(PageTableFormat) format: PageTableFormat,
    @inject(Observers) private readonly observers: Observers,
  ) {
    this.allocator = extensions.tableAllocator ?? buddyTables;
    this.levels = format.geometry.levels;
    this.firstPfn = toPfn(memory.firstPfn);
    this.sources = new Uint8Array(reserve(memory.endPfn - memory.firstPfn));
    this.levelOf = new Uint8Array(reserve(memory.endPfn - memory.firstPfn));
    this.onCtor = extensions.handlers("tablePageCtor");
    this.onDtor = extensions.handlers("tablePageDtor");
    this.onEarly = extensions.handlers("earlyTablePage");
    this.mark(image.root, "static");
  }

  /**
   * Takes a page of a static pool.
   * @param role - which pool
   * @throws KpkeysError ERR_SPEC when the pool is used up
   */
  takeStatic(role: "image" | "fixmap"): Pfn {
    return this.mark(this.image.takeTable(role), "static");
  }

  /**
   * Takes a page from memblock, zeroed, and notifies the features.
   * @param source - what for
   * @returns its page-frame number; `undefined`, of which the features are not notified, when memblock has none left
   */
  takeEarly(source: "early" | "vmemmap"): Pfn | undefined {
    const pfn = this.allocator.allocEarly(source) ?? this.memblock.tryAlloc(1, 1);
    if (pfn === undefined) return undefined;
    for (const handler of this.onEarly) handler(pfn, source);
    return this.mark(pfn, source);
  }

  /** See {@link PageTables.allocTable}. @param gfp - bits of {@link Gfp}; those of `GFP_PGTABLE` if left out */
  alloc(
    source: "kernel" | "user",
    level: Level = toLevel(this.levels.length - 1),
    gfp: number = GFP_PGTABLE[source],
  ): Pfn | undefined {
    const pfn = this.allocator.alloc(source, gfp);
    if (pfn === undefined) return undefined;
    if (!this.isConstructed(pfn, level, source)) {
      this.allocator.free(pfn);
      return undefined;
    }
    this.allocated++;
    return this.mark(pfn, source);
  }

  /** See {@link PageTables.freeTable}. */
  free(table: Pfn): void {
    this.freed++;
    const frame = table - this.firstPfn;
    const { name } = this.levels[this.levelOf[frame]!]!;
    const known = this.sourceOf(table);
    const source = known === "user" ? "user" : "kernel";
    for (const handler of this.onDtor) handler(table, name, source);
    this.observers.current?.tablePage?.(table, known ?? source, false);
    this.sources[frame] = 0;
    this.allocator.free(table);
  }

  /** See {@link PageTables.sourceOf}. */
  sourceOf(table: Pfn): TableSource | undefined {
    return SOURCES[this.sources[table - this.firstPfn] ?? 0];
  }

  private mark(pfn: Pfn, source: TableSource): Pfn {
    this.sources[pfn - this.firstPfn] = SOURCES.indexOf(source);
    this.observers.current?.tablePage?.(pfn, source, true);
    return pfn;
  }

  /** Runs the constructors; if one refuses, the page is destructed where it was constructed. */
  private isConstructed(pfn: Pfn, level: Level, source: "kernel" | "user"): boolean {
    const { name } = this.levels[level]!;
    for (let i = 0; i < this.onCtor.length; i++) {
      if (this.onCtor[i]!(pfn, name, source) === 0) continue;
      while (--i >= 0) this.onDtor[i]?.(pfn, name, source);
      return false;
    }
    this.levelOf[pfn - this.firstPfn] = level;
    return true;
  }
}
