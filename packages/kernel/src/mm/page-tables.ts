import { EntryType, OK, SETTERS } from "@kpkeys/core/contracts";
import type {
  Entry,
  ExtensionPoints,
  Guard,
  KpkeysState,
  PageTableCounters,
  PageTableFormat,
  PageTables,
  PgtableArch,
  Setter,
} from "@kpkeys/core/contracts";
import type { KernelFaults } from "../kernel-fault.js";
import { createCounts } from "./counts.js";
import type { KernelLazyMmu } from "./lazy-mmu.js";
import type { TableMemory } from "./table-memory.js";
import type { TablePages } from "./table-pages.js";

// What is imported is loaded each time; what stands here is folded.
const DONE: number = OK;
const { TABLE } = EntryType;
const SET_PTE: number = SETTERS.indexOf("set_pte");

/** What a guard gives whose condition does not hold. */
const NOTHING_ENTERED = 0 as KpkeysState;

/** The guard of a setter that no feature guards. */
const UNGUARDED: Guard = {
  enter: () => NOTHING_ENTERED,
  exit: () => undefined,
};

/** {@link PageTables} with what only boot needs. */
export interface KernelPageTables extends PageTables {
  /** The linear map is there, through which tables are written from now on. */
  leaveEarlyBoot(): void;
}

const numberOf = Object.fromEntries(SETTERS.map((setter, i) => [setter, i])) as Record<Setter, number>;

/**
 * The setters of page-table entries: each opens its guard, writes through the MMU, closes its guard and follows mainline's
 * barrier rule. A write that faults is an oops.
 *
 * @param root - page-frame number of `init_mm`'s top-level table
 * @param memory - the access path to table pages
 * @param pages - allocation of table pages
 * @param format - the codec
 * @param arch - the barrier rule
 * @param extensions - holds the guards
 * @param lazy - where barriers are queued
 * @param faults - takes a fault of an access
 */
export function createPageTables(
  root: number,
  memory: TableMemory,
  pages: TablePages,
  format: PageTableFormat,
  arch: PgtableArch,
  extensions: ExtensionPoints,
  lazy: KernelLazyMmu,
  faults: KernelFaults,
): KernelPageTables {
  const { levels, pageShift } = format.geometry;
  const highShift = 32 - pageShift;
  const offsetMask = (1 << pageShift) - 1;
  const writes = createCounts(SETTERS.length);
  let reads = 0;
  const entry: Entry = { high: 0, low: 0 };

  const guardOf = (setter: Setter): Guard => extensions.guard(setter) ?? UNGUARDED;

  /** Writes to this table go through the fixmap, before any guard: set_swapper_pgd() under set_p4d() and its like. */
  const divertedRoot = arch.rootTableAddress === "fixmap" ? root : -1;

  /** A setter whose primitive is a plain store. */
  function storeSetter(setter: Setter): (table: number, index: number, high: number, low: number) => void {
    const guard = guardOf(setter);
    const number = numberOf[setter];
    return (table, index, high, low) => {
      const opened = table === divertedRoot ? UNGUARDED : guard;
      const state = opened.enter();
      for (let attempt = 0; memory.storeRun(table, index, high, low, 0, 1) !== OK; attempt++)
        faults.take(setter, attempt);
      writes.increment(number);
      opened.exit(state);
      if (arch.barrierAfter(setter, high, low)) lazy.queueBarriers();
    };
  }

  /** A setter whose primitive is a compare-and-exchange loop: reads, changes the scratch entry, exchanges. */
  function updateSetter(setter: Setter): (table: number, index: number, change: (entry: Entry) => boolean) => boolean {
    const guard = guardOf(setter);
    const number = numberOf[setter];
    return (table, index, change) => {
      const state = guard.enter();
      for (let attempt = 0; memory.load(table, index) !== OK; attempt++) faults.take(setter, attempt);
      entry.high = memory.valueHigh;
      entry.low = memory.valueLow;
      const changed = change(entry);
      for (let attempt = 0; memory.exchange(table, index, entry.high, entry.low) !== OK; attempt++)
        faults.take(setter, attempt);
      writes.increment(number);
      guard.exit(state);
      return changed;
    };
  }

  /** Stores a run of entries, each a page further than the one before. @returns whether no access has faulted */
  function stored(table: number, index: number, high: number, low: number, length: number): boolean {
    const status =
      length === 1 ? memory.store(table, index, high, low) : memory.storeRun(table, index, high, low, 1, length);
    return status === DONE;
  }

  function read(table: number, index: number): void {
    for (let attempt = 0; memory.load(table, index) !== OK; attempt++) faults.take("pgtable read", attempt);
    reads++;
    tables.entryHigh = memory.valueHigh;
    tables.entryLow = memory.valueLow;
  }

  const setPteGuard = guardOf("set_pte");
  const getAndClearGuard = guardOf("ptep_get_and_clear");
  const wrprotectGuard = guardOf("ptep_set_wrprotect");
  const establishGuard = guardOf("pmdp_establish");

  /**
   * As {@link storeSetter} makes them, but written out: code that is made once is quicker, and so is code that the compiler has not
   * seen at work in early boot, where tables are written in other ways. No table of pages is a root.
   */
  function setPte(table: number, index: number, high: number, low: number): void {
    const state = setPteGuard.enter();
    for (let attempt = 0; memory.store(table, index, high, low) !== DONE; attempt++) faults.take("set_pte", attempt);
    writes.increment(SET_PTE);
    setPteGuard.exit(state);
    if (arch.barrierAfter("set_pte", high, low)) lazy.queueBarriers();
  }

  const earlySetPte = storeSetter("set_pte");
  const setPmd = storeSetter("set_pmd");
  const setPud = storeSetter("set_pud");
  const setP4d = storeSetter("set_p4d");
  const setPgd = storeSetter("set_pgd");

  /** A folded level has no table: the level below's setter writes the entry (pgtable-nop4d.h). */
  const setterOfLevel = levels.map(({ name }, level) => {
    if (name === "pte") return earlySetPte;
    if (name === "pmd") return setPmd;
    if (name === "pud") return setPud;
    if (name === "p4d") return setP4d;
    const below = levels[level + 1]?.name;
    return below === "p4d" ? setPgd : below === "pud" ? setP4d : below === "pmd" ? setPud : setPmd;
  });

  const testAndClearYoung = updateSetter("ptep_test_and_clear_young");
  const setWrprotect = updateSetter("ptep_set_wrprotect");
  const clearYoungDirty = updateSetter("clear_young_dirty_pte");
  const setAccessFlags = updateSetter("ptep_set_access_flags");

  const clearYoung = (leaf: Entry): boolean => {
    const young = format.isYoung(leaf.high, leaf.low);
    format.makeOld(leaf);
    return young;
  };
  const wrprotect = (leaf: Entry): boolean => {
    format.makeReadOnly(leaf);
    return true;
  };
  /** The entry whose state {@link PageTables.ptepSetAccessFlags} gives to another. */
  let wantedHigh = 0;
  let wantedLow = 0;
  const adoptWanted = (leaf: Entry): boolean => {
    if (format.isWritable(wantedHigh, wantedLow)) format.makeWritable(leaf);
    if (format.isYoung(wantedHigh, wantedLow)) format.makeYoung(leaf);
    if (format.isDirty(wantedHigh, wantedLow)) format.makeDirty(leaf);
    return true;
  };
  const youngDirty = [
    (): boolean => false,
    (leaf: Entry): boolean => (format.makeOld(leaf), true),
    (leaf: Entry): boolean => (format.makeClean(leaf), true),
    (leaf: Entry): boolean => (format.makeOld(leaf), format.makeClean(leaf), true),
  ] as const;

  function exchange(setter: Setter, guard: Guard, table: number, index: number, high: number, low: number): void {
    const state = guard.enter();
    for (let attempt = 0; memory.exchange(table, index, high, low) !== OK; attempt++) faults.take(setter, attempt);
    writes.increment(numberOf[setter]);
    guard.exit(state);
    tables.entryHigh = memory.valueHigh;
    tables.entryLow = memory.valueLow;
  }

  /**
   * Exchanges a run of entries, each `step` pages further than the one before. The first exchange decides for all that its guard has
   * opened; the others are stores.
   */
  function exchangeRun(
    setter: Setter,
    guard: Guard,
    table: number,
    index: number,
    high: number,
    low: number,
    step: number,
    count: number,
  ): void {
    for (let done = 0; done < count;) {
      const state = guard.enter();
      const length = state === NOTHING_ENTERED ? count - done : 1;
      const pages = (low >>> pageShift) + done * step;
      const entryHigh = (high + (pages >>> highShift)) | 0;
      const entryLow = (pages << pageShift) | (low & offsetMask);
      for (let attempt = 0; memory.exchange(table, index + done, entryHigh, entryLow) !== OK; attempt++)
        faults.take(setter, attempt);
      if (length > 1) memory.storeRun(table, index + done, entryHigh, entryLow, step, length);
      writes.add(numberOf[setter], length);
      guard.exit(state);
      done += length;
    }
  }

  function wrprotectRun(table: number, index: number, count: number): void {
    for (let attempt = 0; memory.load(table, index) !== OK; attempt++) faults.take("ptep_set_wrprotect", attempt);
    entry.high = memory.valueHigh;
    entry.low = memory.valueLow;
    format.makeReadOnly(entry);
    exchangeRun("ptep_set_wrprotect", wrprotectGuard, table, index, entry.high, entry.low, 1, count);
  }

  const counters: PageTableCounters = {
    get writes() {
      return Object.fromEntries(SETTERS.map((setter, i) => [setter, writes.of(i)])) as Record<Setter, number>;
    },
    get total() {
      return SETTERS.reduce((sum, _, i) => sum + writes.of(i), 0);
    },
    get reads() {
      return reads;
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

  // Plain fields: an object literal with accessors is slow to use.
  const tables: { -readonly [F in keyof KernelPageTables]: KernelPageTables[F] } = {
    root,
    counters,
    entryHigh: 0,
    entryLow: 0,
    read,
    setPte: earlySetPte,
    leaveEarlyBoot() {
      tables.setPte = setPte;
    },
    setPmd,
    setPud,
    setP4d,
    setPgd,
    setEntry: (level, table, index, high, low) => {
      setterOfLevel[level]!(table, index, high, low);
    },
    setPtes(table, index, high, low, count) {
      const guard = memory.addressing() === "linear" ? setPteGuard : UNGUARDED;
      // __set_ptes_anysz() opens the guard for each entry, and emits barriers once. A guard that has nothing to enter for the first
      // entry has nothing for the others: they are one run.
      for (let done = 0; done < count;) {
        const pages = (low >>> pageShift) + done;
        const entryHigh = (high + (pages >>> highShift)) | 0;
        const entryLow = (pages << pageShift) | (low & offsetMask);
        const state = guard.enter();
        const length = state === NOTHING_ENTERED ? count - done : 1;
        for (let attempt = 0; !stored(table, index + done, entryHigh, entryLow, length); attempt++)
          faults.take("set_ptes", attempt);
        writes.add(SET_PTE, length);
        guard.exit(state);
        done += length;
      }
      if (arch.barrierAfter("set_pte", high, low)) lazy.queueBarriers();
    },
    ptepTestAndClearYoung: (table, index) => testAndClearYoung(table, index, clearYoung),
    ptepSetWrprotect: (table, index) => void setWrprotect(table, index, wrprotect),
    wrprotectPtes: wrprotectRun,
    clearYoungDirtyPte: (table, index, young, dirty) =>
      void clearYoungDirty(table, index, youngDirty[((young ? 1 : 0) + (dirty ? 2 : 0)) as 0 | 1 | 2 | 3]),
    ptepGetAndClear: (table, index) => {
      exchange("ptep_get_and_clear", getAndClearGuard, table, index, 0, 0);
    },
    clearFullPtes: (table, index, count) => {
      exchangeRun("ptep_get_and_clear", getAndClearGuard, table, index, 0, 0, 0, count);
    },
    pmdpEstablish: (table, index, high, low) => {
      exchange("pmdp_establish", establishGuard, table, index, high, low);
    },
    ptepSetAccessFlags(table, index, high, low) {
      read(table, index);
      if (tables.entryHigh === high && tables.entryLow === low) return false;
      wantedHigh = high;
      wantedLow = low;
      return setAccessFlags(table, index, adoptWanted);
    },
    allocTable: (source, level) => (source === "kernel" || source === "user" ? pages.alloc(source, level) : -1),
    freeTable: (table) => {
      pages.free(table);
    },
    sourceOf: (table) => pages.sourceOf(table),
    tableAt(top, level, high, low) {
      let table = top;
      for (let l = 0; l < level; l++) {
        read(table, format.index(l, high, low));
        if (format.typeOf(l, tables.entryHigh, tables.entryLow) !== TABLE) return -1;
        table = format.pfnOf(tables.entryHigh, tables.entryLow);
      }
      return table;
    },
  };
  return tables;
}
