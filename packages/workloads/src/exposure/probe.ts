import { KpkeysError, lazily, resolve } from "@kpkeys/core";
import { Cpus, ExtensionPoints, Kpkeys, PageTables } from "@kpkeys/core/contracts";
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

/** Looks at one machine while it works. */
export interface ExposureProbe {
  /** What attaches it: one of the machine's features. */
  readonly plugin: Plugin;
  /** What the machine tells its moments to. */
  readonly observer: Observer;
  /** Begins to count: after boot. */
  start(): void;
  /** What was seen since. */
  result(): Exposure;
}

/**
 * Makes a probe for one machine.
 * @param openedBy - what it takes for an opening
 */
export function createExposureProbe(openedBy: OpenedBy): ExposureProbe {
  const seen = {
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
  let started = false;
  let findTables: () => PageTables = notAttached;
  let findKpkeys: () => Kpkeys = notAttached;
  let before = { writes: 0, reads: 0 };
  /** What had been written and read when the window of each CPU opened; absent while it is shut. */
  const windows = new Map<number, { readonly writes: number; readonly reads: number }>();
  let windowsBefore = 0;
  /** Whether a window was open when the operation began, or the operation opened one as it began. */
  let beganOpen = false;

  const entries = (): { writes: number; reads: number } => {
    const { total, reads } = findTables().counters;
    return { writes: total, reads };
  };

  function open(cpu: number): void {
    if (!started || windows.has(cpu)) return;
    windows.set(cpu, entries());
    seen.windows++;
  }

  function shut(cpu: number): void {
    const since = windows.get(cpu);
    if (since === undefined) return;
    windows.delete(cpu);
    const { writes, reads } = entries();
    seen.writes += writes - since.writes;
    seen.reads += reads - since.reads;
    seen.longest = Math.max(seen.longest, writes - since.writes + reads - since.reads);
  }

  /** Counts what happens in a window. */
  function note(what: "tlbInvalidations" | "tablePages" | "contextSwitches"): void {
    if (windows.size > 0) seen[what]++;
  }

  const observer: Observer = {
    registerWrite(cpu, high, low) {
      if (!started || openedBy !== "key register") return;
      const initial = findKpkeys().initialValue();
      if (high === initial.high && low === initial.low) shut(cpu);
      else open(cpu);
    },
    tlbFlush() {
      note("tlbInvalidations");
    },
  };

  function watchLocks(container: DependencyContainer, points: ExtensionPoints): void {
    const leafTables = new Set<number>();
    const cpus = lazily(container, Cpus);
    let depth = 0;
    points.on("tablePageCtor", (pfn, level, source) => {
      if (level === "pte" && source === "user") leafTables.add(pfn);
      return 0;
    });
    points.on("tablePageDtor", (pfn) => void leafTables.delete(pfn));
    points.on("tableLocked", (pfn) => {
      if (leafTables.has(pfn) && depth++ === 0) open(cpus().current.id);
    });
    points.on("tableUnlocking", (pfn) => {
      if (leafTables.has(pfn) && --depth === 0) shut(cpus().current.id);
    });
  }

  const plugin: Plugin = {
    id: "exposure-probe",
    kind: "feature",
    description: "measures how long table pages are writable",
    contract: 1,
    setup(container) {
      const points = resolve(container, ExtensionPoints);
      findTables = lazily(container, PageTables);
      findKpkeys = lazily(container, Kpkeys);
      if (openedBy === "table lock") watchLocks(container, points);
      const cpus = lazily(container, Cpus);
      points.on("exceptionEntry", () => {
        if (!started) return;
        seen.exceptions++;
        if (windows.has(cpus().current.id)) seen.privilegedExceptions++;
      });
      points.on("contextSwitch", () => {
        note("contextSwitches");
      });
      points.on("tablePageCtor", () => {
        note("tablePages");
        return 0;
      });
      points.on("tablePageDtor", () => {
        note("tablePages");
      });
      points.on("operationEnter", () => {
        windowsBefore = seen.windows;
        beganOpen = windows.size > 0;
      });
      points.on("operationExit", () => {
        if (!started) return;
        seen.operations++;
        if (beganOpen || seen.windows > windowsBefore) seen.exposedOperations++;
      });
    },
  };

  return {
    plugin,
    observer,
    start() {
      before = entries();
      started = true;
    },
    result() {
      const { writes, reads } = entries();
      const all = writes - before.writes + reads - before.reads;
      return { ...seen, share: all === 0 ? 0 : (seen.writes + seen.reads) / all };
    },
  };
}

function notAttached(): never {
  throw new KpkeysError("ERR_API_MISUSE", "the probe is attached to no machine", {
    expected: "its plugin among the features",
  });
}
