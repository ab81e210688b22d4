import { KpkeysError, lazily, resolve } from "@kpkeys/core";
import { Cpus, ExtensionPoints, Kpkeys, Observers, PageTables } from "@kpkeys/core/contracts";
import type { DependencyContainer, Observer, Plugin } from "@kpkeys/core/contracts";

/** How long table pages were writable, and what else ran meanwhile. A window lasts from where they are opened to where they are shut. */
export interface Exposure {
  /** Windows. */
  readonly windows: number;
  /** Kernel operations: system calls that change mappings, faults of user addresses, vmalloc, vfree. */
  readonly operations: number;
  /** Those of them in which there was a window. */
  readonly exposedOperations: number;
  /** Entries written in windows. */
  readonly writes: number;
  /** Entries read in windows. */
  readonly reads: number;
  /** Entries read or written in the longest window. */
  readonly longest: number;
  /** Share of all entries read and written that were so in windows, 0 to 1: that of interrupts, if they come as evenly as these. */
  readonly share: number;
  /** TLB invalidations in windows, of each CPU apart. */
  readonly tlbInvalidations: number;
  /** Table pages taken or given back in windows. */
  readonly tablePages: number;
  /** Context switches in windows. */
  readonly contextSwitches: number;
  /** Exceptions taken from kernel mode. */
  readonly exceptions: number;
  /** Those whose handlers began with tables writable. */
  readonly privilegedExceptions: number;
}

/**
 * What makes table pages writable: a value of the key register that is not the initial one, or the lock of a process's table of pages,
 * which is in the linear map only then.
 */
export type OpenedBy = "key register" | "table lock";

/** What of the machine may happen in a window, besides table accesses. */
type Happening = "tlbInvalidations" | "tablePages" | "contextSwitches";

/** Entries written and read. */
interface Accesses {
  readonly writes: number;
  readonly reads: number;
}

/**
 * Makes a probe for one machine.
 * @param openedBy - what it takes for an opening
 */
export function createExposureProbe(openedBy: OpenedBy): ExposureProbe {
  return new ExposureProbe(openedBy);
}

/** Observes one machine while it works. */
export class ExposureProbe {
  /** Attaches the probe: one of the machine's features. */
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
    registerWrite: (cpu, high, low) => {
      this.registerWritten(cpu, high, low);
    },
    tlbFlush: () => {
      this.note("tlbInvalidations");
    },
  };
  private readonly seen = {
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
  /** What had been written and read when the window of each CPU opened; absent while it is shut. */
  private readonly windows = new Map<number, Accesses>();

  /** @internal */
  constructor(private readonly openedBy: OpenedBy) {}

  /** Begins to count: after boot. */
  start(): void {
    this.before = this.accesses();
    this.observers().attach(this.observer);
    this.started = true;
  }

  /** What was seen since. */
  result(): Exposure {
    const { writes, reads } = this.accesses();
    const all = writes - this.before.writes + reads - this.before.reads;
    return { ...this.seen, share: all === 0 ? 0 : (this.seen.writes + this.seen.reads) / all };
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
      this.seen.exceptions++;
      if (this.windows.has(this.cpus().current.id)) this.seen.privilegedExceptions++;
    });
    points.on("contextSwitch", () => {
      this.note("contextSwitches");
    });
    points.on("tablePageCtor", () => {
      this.note("tablePages");
      return 0;
    });
    points.on("tablePageDtor", () => {
      this.note("tablePages");
    });
    this.watchOperations(points);
  }

  /** A table of a process's pages is writable while its lock is held. */
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

  /** An operation is exposed if a window was open when it began, or one opened meanwhile. */
  private watchOperations(points: ExtensionPoints): void {
    let windowsBefore = 0;
    let beganOpen = false;
    points.on("operationEnter", () => {
      windowsBefore = this.seen.windows;
      beganOpen = this.windows.size > 0;
    });
    points.on("operationExit", () => {
      if (!this.started) return;
      this.seen.operations++;
      if (beganOpen || this.seen.windows > windowsBefore) this.seen.exposedOperations++;
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
    this.seen.windows++;
  }

  private shut(cpu: number): void {
    const since = this.windows.get(cpu);
    if (since === undefined) return;
    this.windows.delete(cpu);
    const { writes, reads } = this.accesses();
    this.seen.writes += writes - since.writes;
    this.seen.reads += reads - since.reads;
    this.seen.longest = Math.max(this.seen.longest, writes - since.writes + reads - since.reads);
  }

  /** Counts what happens in a window. */
  private note(what: Happening): void {
    if (this.windows.size > 0) this.seen[what]++;
  }

  private accesses(): Accesses {
    const { total, reads } = this.tables().counters;
    return { writes: total, reads };
  }
}

function notAttached(): never {
  throw new KpkeysError("ERR_API_MISUSE", "the probe is attached to no machine", {
    expected: "its plugin among the features",
  });
}
