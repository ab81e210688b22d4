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
import type { StaticRole } from "../boot/image.js";
import { Memblock } from "../boot/memblock.js";
import { BuddyTables } from "./buddy-tables.js";

/** Sources by the number stored for each page; 0 is no table. */
const SOURCES: readonly (TableSource | undefined)[] = [undefined, "static", "early", "vmemmap", "kernel", "user"];

/** `GFP_PGTABLE_KERNEL` and `GFP_PGTABLE_USER`, as in the series. */
const GFP_PGTABLE = { kernel: Gfp.KERNEL | Gfp.ZERO, user: Gfp.KERNEL | Gfp.ZERO | Gfp.ACCOUNT } as const;

/** Allocates page-table pages and records the source of each. */
@injectable()
export class TablePages {
  /** Pages allocated after early boot. */
  allocated = 0;
  /** Pages freed. */
  freed = 0;
  /** The allocator: of a feature, or {@link BuddyTables}. */
  readonly allocator: TableAllocator;
  private readonly levels: readonly LevelGeometry[];
  private readonly firstPfn: Pfn;
  private readonly sources: Uint8Array;
  /** Level of each page of {@link alloc}, for its destructor. */
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
   * Allocates a page of a static pool.
   * @param role - the role of the pool
   * @throws KpkeysError ERR_OUT_OF_MEMORY if the pool is empty and cannot be extended
   */
  allocStatic(role: StaticRole): Pfn {
    return this.mark(this.image.allocTable(role), "static");
  }

  /**
   * Allocates a zeroed page from memblock and notifies the features.
   * @param source - `early` for the linear map, `vmemmap` for the vmemmap
   * @returns its page-frame number; `undefined`, without a notification, if memblock is empty
   */
  allocEarly(source: "early" | "vmemmap"): Pfn | undefined {
    const pfn = this.allocator.allocEarly(source) ?? this.memblock.tryAlloc(1, 1);
    if (pfn === undefined) return undefined;
    for (const handler of this.onEarly) handler(pfn, source);
    return this.mark(pfn, source);
  }

  /** See {@link PageTables.allocTable}. @param gfp - bits of {@link Gfp}; default: `GFP_PGTABLE` of the source */
  alloc(
    source: "kernel" | "user",
    level: Level = toLevel(this.levels.length - 1),
    gfp: number = GFP_PGTABLE[source],
  ): Pfn | undefined {
    const pfn = this.allocator.alloc(source, gfp);
    if (pfn === undefined) return undefined;
    if (!this.construct(pfn, level, source)) {
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

  /** Runs the constructors. If one fails, runs the destructors of the earlier features. @returns whether all succeeded */
  private construct(pfn: Pfn, level: Level, source: "kernel" | "user"): boolean {
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
