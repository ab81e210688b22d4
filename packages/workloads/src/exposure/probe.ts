import { KpkeysError, lazily, resolve } from "@kpkeys/core";
import { Cpus, ExtensionPoints, Kpkeys, Observers, PageTables } from "@kpkeys/core/contracts";
import type { DependencyContainer, Observer, Plugin } from "@kpkeys/core/contracts";

/**
 * The windows in which table pages were writable. A window begins when table pages become writable on a CPU and ends when they are no
 * longer writable.
 */
export interface Exposure {
  /** Number of windows. */
  readonly windows: number;
  /** Kernel operations: system calls that change mappings, user faults, vmalloc, vfree. */
  readonly operations: number;
  /** Operations with a window. */
  readonly exposedOperations: number;
  /** Entries written in windows. */
  readonly writes: number;
  /** Entries read in windows. */
  readonly reads: number;
  /** Entries read or written in the longest window. */
  readonly longest: number;
  /**
   * Share of all table accesses that were in windows, 0 to 1. It estimates the share of interrupts that arrive in a window, if
   * interrupts are distributed like table accesses.
   */
  readonly share: number;
  /** TLB invalidations in windows, counted per CPU. */
  readonly tlbInvalidations: number;
  /** Table pages allocated or freed in windows. */
  readonly tablePages: number;
  /** Context switches in windows. */
  readonly contextSwitches: number;
  /** Exceptions taken from kernel mode. */
  readonly exceptions: number;
  /** Exceptions whose handlers began with table pages writable. */
  readonly privilegedExceptions: number;
}

/**
 * The mechanism that makes table pages writable: a key register value other than the initial one, or the lock of a user PTE table, for a
 * feature that maps such a table in the linear map only while its lock is held.
 */
export type OpenedBy = "key register" | "table lock";

/** Events that are counted in windows. */
type WindowEvent = "tlbInvalidations" | "tablePages" | "contextSwitches";

/** Table entries written and read. */
interface Accesses {
  readonly writes: number;
  readonly reads: number;
}

/** Measures the exposure of table pages on one machine. */
export class ExposureProbe {
  /** The plugin that attaches the probe. Pass it as one of the machine's features. */
  readonly plugin: Plugin = {
    id: "exposure-probe",
    kind: "feature",
    description: "measures how long table pages are writable",
    contract: 2,
    setup: (container) => {
      this.attach(container);
    },
  };
  private readonly observer: Observer = {
    registerWrite: (cpu, high, low, ofFetches) => {
      // A table page is open by the rights of data accesses.
      if (!ofFetches) this.registerWritten(cpu, high, low);
    },
    tlbFlush: () => {
      this.countInWindow("tlbInvalidations");
    },
  };
  private readonly counts = {
    windows: 0,
    operations: 0,
    exposedOperations: 0,
    writes: 0,
    reads: 0,
    longest: 0,
    tlbInvalidations: 0,
    tablePages: 0,
    contextSwitches: 0,
    exceptions: 0,
    privilegedExceptions: 0,
  };
  private observers: () => Observers = notAttached;
  private tables: () => PageTables = notAttached;
  private kpkeys: () => Kpkeys = notAttached;
  private cpus: () => Cpus = notAttached;
  private started = false;
  private before: Accesses = { writes: 0, reads: 0 };
  /** Accesses at the start of each CPU's open window. */
  private readonly windows = new Map<number, Accesses>();

  /** @param openedBy - the mechanism that makes table pages writable */
  constructor(private readonly openedBy: OpenedBy) {}

  /** Starts counting. Call it after boot. */
  start(): void {
    this.before = this.accesses();
    this.observers().attach(this.observer);
    this.started = true;
  }

  /** The exposure since {@link start}. @throws KpkeysError ERR_API_MISUSE if the plugin is not among the machine's features */
  result(): Exposure {
    const { writes, reads } = this.accesses();
    const all = writes - this.before.writes + reads - this.before.reads;
    return { ...this.counts, share: all === 0 ? 0 : (this.counts.writes + this.counts.reads) / all };
  }

  private attach(container: DependencyContainer): void {
    const points = resolve(container, ExtensionPoints);
    this.observers = lazily(container, Observers);
    this.tables = lazily(container, PageTables);
    this.kpkeys = lazily(container, Kpkeys);
    this.cpus = lazily(container, Cpus);
    if (this.openedBy === "table lock") this.watchLocks(points);
    points.on("exceptionEntry", () => {
      if (!this.started) return;
      this.counts.exceptions++;
      if (this.windows.has(this.cpus().current.id)) this.counts.privilegedExceptions++;
    });
    points.on("contextSwitch", () => {
      this.countInWindow("contextSwitches");
    });
    points.on("tablePageCtor", () => {
      this.countInWindow("tablePages");
      return 0;
    });
    points.on("tablePageDtor", () => {
      this.countInWindow("tablePages");
    });
    this.watchOperations(points);
  }

  /** A user PTE table is writable while its lock is held. */
  private watchLocks(points: ExtensionPoints): void {
    const leafTables = new Set<number>();
    let depth = 0;
    points.on("tablePageCtor", (pfn, level, source) => {
      if (level === "pte" && source === "user") leafTables.add(pfn);
      return 0;
    });
    points.on("tablePageDtor", (pfn) => void leafTables.delete(pfn));
    points.on("tableLocked", (pfn) => {
      if (leafTables.has(pfn) && depth++ === 0) this.open(this.cpus().current.id);
    });
    points.on("tableUnlocking", (pfn) => {
      if (leafTables.has(pfn) && --depth === 0) this.shut(this.cpus().current.id);
    });
  }

  /** An operation is exposed if a window is open at its start or opens before its end. */
  private watchOperations(points: ExtensionPoints): void {
    let windowsBefore = 0;
    let beganOpen = false;
    points.on("operationEnter", () => {
      windowsBefore = this.counts.windows;
      beganOpen = this.windows.size > 0;
    });
    points.on("operationExit", () => {
      if (!this.started) return;
      this.counts.operations++;
      if (beganOpen || this.counts.windows > windowsBefore) this.counts.exposedOperations++;
    });
  }

  private registerWritten(cpu: number, high: number, low: number): void {
    if (this.openedBy !== "key register") return;
    const initial = this.kpkeys().initialValue();
    if (high === initial.high && low === initial.low) this.shut(cpu);
    else this.open(cpu);
  }

  private open(cpu: number): void {
    if (!this.started || this.windows.has(cpu)) return;
    this.windows.set(cpu, this.accesses());
    this.counts.windows++;
  }

  private shut(cpu: number): void {
    const since = this.windows.get(cpu);
    if (since === undefined) return;
    this.windows.delete(cpu);
    const { writes, reads } = this.accesses();
    this.counts.writes += writes - since.writes;
    this.counts.reads += reads - since.reads;
    this.counts.longest = Math.max(this.counts.longest, writes - since.writes + reads - since.reads);
  }

  private countInWindow(event: WindowEvent): void {
    if (this.windows.size > 0) this.counts[event]++;
  }

  private accesses(): Accesses {
    const { total, reads } = this.tables().counters;
    return { writes: total, reads };
  }
}

function notAttached(): never {
  throw new KpkeysError("ERR_API_MISUSE", "the exposure probe is not attached to a machine", {
    expected: "the probe's plugin among the features of the machine",
  });
}
