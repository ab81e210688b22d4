import { inject, injectable } from "@kpkeys/core";
import {
  ExtensionPoints,
  LazyMmu,
  NOT_ENTERED,
  OK,
  PageTableFormat,
  PgtableArch,
  SETTERS,
} from "@kpkeys/core/contracts";
import type {
  EntryCursor,
  Geometry,
  Guard,
  KpkeysState,
  Level,
  PageRange,
  PageTableCounters,
  PageTables,
  Pfn,
  Setter,
  TableSource,
  TableVisitor,
  Vpn,
  WalkOptions,
  Words,
} from "@kpkeys/core/contracts";
import { KernelImage } from "../boot/image.js";
import { KernelFaults } from "../entry/kernel-fault.js";
import { kernelRangeOf } from "./addresses.js";
import { entryAfter, NO_ENTRY } from "./entries.js";
import type { KernelLazyMmu } from "./lazy-mmu.js";
import { TableMemory } from "./table-memory.js";
import { TablePages } from "./table-pages.js";
import { TableWalk } from "./table-walk.js";

// Local copies: docs/performance.md, "Imported bindings".
const DONE: number = OK;
const NO_CONTEXT: KpkeysState = NOT_ENTERED;

/** The guard of a setter that no feature guards. */
const UNGUARDED: Guard = { enter: () => NO_CONTEXT, exit: () => undefined };

/** A setter with its guard. */
class Point {
  /** Whether it writes by an atomic exchange instead of a plain store. */
  readonly exchanges: boolean;
  /** Entries written. */
  writes = 0;

  constructor(
    readonly setter: Setter,
    readonly guard: Guard,
  ) {
    this.exchanges = !STORES.includes(setter);
  }
}

/** Computes the new value of a leaf. */
type Change = (leaf: Words) => Words;

/** Setters that write by a plain store. */
const STORES: readonly Setter[] = ["set_pte", "set_pmd", "set_pud", "set_p4d", "set_pgd"];

/** Names of the levels, top level first. */
const LEVEL_NAMES = ["pgd", "p4d", "pud", "pmd", "pte"] as const;

/**
 * The setters of page-table entries. Each enters its guard, writes through the MMU, exits its guard and applies mainline's barrier
 * rule. A write that faults is an oops.
 */
@injectable()
export class KernelPageTables implements PageTables {
  readonly root: Pfn;
  readonly kernelRange: PageRange;
  readonly counters: PageTableCounters;
  private readonly pageShift: number;
  private readonly tableWalk: TableWalk;
  private readonly points: Readonly<Record<Setter, Point>>;
  private readonly setterOfLevel: readonly Point[];
  /** A top-level table without a key. It is read-only and written through the fixmap without a guard: set_p4d() calls set_swapper_pgd(). */
  private readonly unkeyedRoot: Pfn | undefined;
  private reads = 0;

  constructor(
    @inject(KernelImage) { root }: KernelImage,
    @inject(TableMemory) private readonly memory: TableMemory,
    @inject(TablePages) private readonly pages: TablePages,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PgtableArch) private readonly arch: PgtableArch,
    @inject(LazyMmu) private readonly lazy: KernelLazyMmu,
    @inject(KernelFaults) private readonly faults: KernelFaults,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
  ) {
    const points = SETTERS.map((setter) => new Point(setter, extensions.guard(setter) ?? UNGUARDED));
    this.root = root;
    this.kernelRange = kernelRangeOf(format.geometry);
    this.pageShift = format.geometry.pageShift;
    this.tableWalk = new TableWalk(this, format);
    this.points = Object.fromEntries(points.map((point) => [point.setter, point])) as Record<Setter, Point>;
    this.setterOfLevel = settersOf(format.geometry).map((setter) => this.points[setter]);
    const isKeyed = arch.staticTables.some(({ role, protection }) => role === "root" && protection === "pkey");
    this.unkeyedRoot = isKeyed ? undefined : root;
    this.counters = createCounters(lazy, pages, points, () => this.reads);
  }

  read(table: Pfn, index: number): Words {
    this.reads++;
    return this.load("pgtable read", table, index);
  }

  walk(root: Pfn, range: PageRange, visitor: TableVisitor, options?: WalkOptions): boolean {
    return this.tableWalk.walk(root, range, visitor, options);
  }

  entryAt(root: Pfn, level: Level, page: Vpn, rootIndex = 0): EntryCursor | undefined {
    return this.tableWalk.entryAt(root, level, page, rootIndex);
  }

  setPte(table: Pfn, index: number, entry: Words): void {
    this.set(this.points.set_pte, table, index, entry, 1);
  }

  setPtes(table: Pfn, index: number, first: Words, count: number): void {
    this.set(this.points.set_pte, table, index, first, count);
  }

  setPmd(table: Pfn, index: number, entry: Words): void {
    this.set(this.points.set_pmd, table, index, entry, 1);
  }

  setPud(table: Pfn, index: number, entry: Words): void {
    this.set(this.points.set_pud, table, index, entry, 1);
  }

  setP4d(table: Pfn, index: number, entry: Words): void {
    this.set(this.points.set_p4d, table, index, entry, 1);
  }

  setPgd(table: Pfn, index: number, entry: Words): void {
    this.set(this.points.set_pgd, table, index, entry, 1);
  }

  setEntry(level: Level, table: Pfn, index: number, entry: Words): void {
    this.set(this.setterOfLevel[level]!, table, index, entry, 1);
  }

  ptepTestAndClearYoung(table: Pfn, index: number): boolean {
    const { format } = this;
    const old = this.write(this.points.ptep_test_and_clear_young, table, index, (leaf) => format.makeOld(leaf));
    return format.isYoung(old.high, old.low);
  }

  ptepGetAndClear(table: Pfn, index: number): Words {
    return this.write(this.points.ptep_get_and_clear, table, index, NO_ENTRY);
  }

  clearFullPtes(table: Pfn, index: number, count: number): void {
    this.write(this.points.ptep_get_and_clear, table, index, NO_ENTRY, count, 0);
  }

  ptepSetWrprotect(table: Pfn, index: number): void {
    this.wrprotectPtes(table, index, 1);
  }

  wrprotectPtes(table: Pfn, index: number, count: number): void {
    const { format } = this;
    this.write(this.points.ptep_set_wrprotect, table, index, (leaf) => format.makeReadOnly(leaf), count);
  }

  clearYoungDirtyPte(table: Pfn, index: number, young: boolean, dirty: boolean): void {
    const { format } = this;
    this.write(this.points.clear_young_dirty_pte, table, index, (leaf) => {
      const aged = young ? format.makeOld(leaf) : leaf;
      return dirty ? format.makeClean(aged) : aged;
    });
  }

  pmdpEstablish(table: Pfn, index: number, entry: Words): Words {
    return this.write(this.points.pmdp_establish, table, index, entry);
  }

  ptepSetAccessFlags(table: Pfn, index: number, wanted: Words): boolean {
    const { format } = this;
    const { high, low } = this.read(table, index);
    if (high === wanted.high && low === wanted.low) return false;
    this.write(this.points.ptep_set_access_flags, table, index, (leaf) => {
      const writable = format.isWritable(wanted.high, wanted.low) ? format.makeWritable(leaf) : leaf;
      const young = format.isYoung(wanted.high, wanted.low) ? format.makeYoung(writable) : writable;
      return format.isDirty(wanted.high, wanted.low) ? format.makeDirty(young) : young;
    });
    return true;
  }

  allocTable(source: "kernel" | "user", level?: Level): Pfn | undefined {
    return this.pages.alloc(source, level);
  }

  freeTable(table: Pfn): void {
    this.pages.free(table);
  }

  sourceOf(table: Pfn): TableSource | undefined {
    return this.pages.sourceOf(table);
  }

  /** A setter with mainline's barrier rule, which is applied once for a run of entries, as in `__set_ptes_anysz()`. */
  private set(point: Point, table: Pfn, index: number, entry: Words, count: number): void {
    const { arch, lazy } = this;
    this.write(point, table, index, entry, count);
    if (arch.barrierAfter(point.setter, entry.high, entry.low)) lazy.queueBarriers();
  }

  /**
   * Writes a run of entries for any setter. The guard is entered for each entry, as in Linux. If the guard returns NOT_ENTERED for one
   * entry, it does so for the rest, so the rest is written as one run.
   * @param point - the setter
   * @param table - page-frame number
   * @param index - index of the first entry
   * @param value - the first entry, or a function from the old entry to the new one
   * @param count - number of entries
   * @param step - difference of the output addresses of consecutive entries, in pages
   * @returns the old value of the first entry; an empty entry for a plain store
   */
  private write(point: Point, table: Pfn, index: number, value: Words | Change, count = 1, step = 1): Words {
    const guard = table === this.unkeyedRoot ? UNGUARDED : point.guard;
    let first = NO_ENTRY;
    for (let done = 0; done < count;) {
      const state = guard.enter();
      // An integer also where `count` is a double: docs/performance.md, "Classes".
      const length = state === NO_CONTEXT ? (count - done) | 0 : 1;
      const at = index + done;
      const entry =
        typeof value === "function"
          ? value(this.load(point.setter, table, at))
          : entryAfter(value, done * step, this.pageShift);
      const old = point.exchanges
        ? this.exchange(point.setter, table, at, entry, step, length)
        : this.store(point.setter, table, at, entry, step, length);
      if (done === 0) first = old;
      point.writes += length;
      guard.exit(state);
      done += length;
    }
    return first;
  }

  private store(setter: Setter, table: Pfn, index: number, entry: Words, step: number, count: number): Words {
    const { faults } = this;
    for (let attempt = 0; this.memory.store(table, index, entry, step, count) !== DONE; attempt++)
      faults.repairOrOops(setter, attempt);
    return NO_ENTRY;
  }

  /** Exchanges the first entry of a run atomically and stores the whole run. */
  private exchange(setter: Setter, table: Pfn, index: number, entry: Words, step: number, count: number): Words {
    const { faults } = this;
    for (let attempt = 0; ; attempt++) {
      const old = this.memory.exchange(table, index, entry);
      if (old === undefined) {
        faults.repairOrOops(setter, attempt);
        continue;
      }
      if (count > 1) this.store(setter, table, index, entry, step, count);
      return old;
    }
  }

  private load(doing: string, table: Pfn, index: number): Words {
    const { faults } = this;
    for (let attempt = 0; ; attempt++) {
      const entry = this.memory.load(table, index);
      if (entry !== undefined) return entry;
      faults.repairOrOops(doing, attempt);
    }
  }
}

/** The setter of each level. A folded level has no table: the setter of the level below writes the entry (pgtable-nop4d.h). */
function settersOf({ levels }: Geometry): readonly Setter[] {
  const top = levels[1] === undefined ? "pmd" : LEVEL_NAMES[LEVEL_NAMES.indexOf(levels[1].name) - 1]!;
  return levels.map(({ name }) => `set_${name === "pgd" ? top : name}` as const);
}

function createCounters(
  lazy: KernelLazyMmu,
  pages: TablePages,
  points: readonly Point[],
  reads: () => number,
): PageTableCounters {
  return {
    get writes() {
      return Object.fromEntries(points.map(({ setter, writes }) => [setter, writes])) as Record<Setter, number>;
    },
    get total() {
      return points.reduce((sum, { writes }) => sum + writes, 0);
    },
    get reads() {
      return reads();
    },
    get barriers() {
      return lazy.barriers;
    },
    get tablesAllocated() {
      return pages.allocated;
    },
    get tablesFreed() {
      return pages.freed;
    },
  };
}
