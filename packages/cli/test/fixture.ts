import { SETTERS, toPfn } from "@kpkeys/core/contracts";
import type { Setter } from "@kpkeys/core/contracts";
import type { ArchReport, RunReport } from "@kpkeys/workloads/report";

const none = { pages: 0, keyed: 0, readOnly: 0 };

/** The report of one architecture on which everything is protected, with changes. */
export function archReport(changes: Partial<ArchReport> = {}): ArchReport {
  return {
    arch: "arm64-poe",
    series: "next",
    pkeys: true,
    checked: "batched",
    coverage: {
      pages: 2065,
      keyed: 2064,
      readOnly: 1,
      gaps: [],
      objects: {},
      bySource: {
        static: { pages: 10, keyed: 9, readOnly: 1 },
        early: { pages: 2055, keyed: 2055, readOnly: 0 },
        vmemmap: none,
        kernel: none,
        user: none,
        unknown: none,
      },
      byLevel: { pgd: { pages: 1, keyed: 0, readOnly: 1 }, pte: { pages: 2064, keyed: 2064, readOnly: 0 } },
    },
    linearMap: {
      tables: 2053,
      leaves: [
        { bytes: 2 ** 30, count: 0 },
        { bytes: 2 ** 21, count: 0 },
        { bytes: 2 ** 12, count: 2 ** 20 },
      ],
      splits: 0,
      tlbReach: 2 ** 22,
    },
    kunit: { passed: 5, failed: 0, skipped: 0 },
    attack: { tried: 6219, blocked: 6219, loads: { tried: 0, blocked: 0 }, bySource: {}, readOnly: 6, gaps: [] },
    policies: {
      off: cost(0),
      naive: cost(931_860),
      batched: cost(573_664),
    },
    check: null,
    refused: 0,
    alreadyMapped: 205,
    inferredMappings: 26_323,
    unexplainedFaults: 0,
    linux: { processes: 113, equal: 113, differences: [] },
    digest: "0".repeat(64),
    ...changes,
  };
}

/** Gaps of static tables, which are writable through the mapping of the kernel image. */
export function gaps(documented: boolean): Pick<ArchReport, "coverage" | "attack"> {
  const gap = {
    source: "static",
    level: "pte",
    mapping: "other",
    address: "ffff8000807f7000",
    table: toPfn(0x80),
    documented,
  } as const;
  const { coverage, attack } = archReport();
  return {
    coverage: { ...coverage, keyed: coverage.keyed! - 5, gaps: [{ ...gap, open: "write", pages: 5 }] },
    attack: { ...attack!, blocked: attack!.blocked! - 15, gaps: [{ ...gap, stores: 15, loads: 0 }] },
  };
}

/** An audit during the replay that found a user table page open. */
export function seen(documented: boolean): NonNullable<ArchReport["check"]> {
  const gap = { source: "user", level: "pte", mapping: "linear", open: "write", address: "ffff000012345000" } as const;
  const gaps = [{ ...gap, pages: 1, table: toPfn(0x92345), line: 1234, documented }];
  return { mode: "sampled", scans: 9, pages: 18_000, open: 4, gaps };
}

/** A report of a long recording. */
export function runReport(...arches: ArchReport[]): RunReport {
  return {
    trace: {
      name: "lua-build",
      events: 176_996,
      form: "tracepoints",
      limits: [],
      lacks: [],
      lines: 189_341,
      eventLines: 176_996,
      comments: 0,
      blanks: 0,
      unused: { "sched:sched_wakeup": 12_345 },
      unreadable: 0,
      backwards: 0,
      lost: 0,
      refused: 0,
      processes: 121,
      until: null,
      sample: null,
    },
    notKnown: [],
    partial: false,
    notRun: [],
    arches,
  };
}

function cost(registerWrites: number): NonNullable<ArchReport["policies"]["off"]> {
  const writes = Object.fromEntries(SETTERS.map((setter) => [setter, 0])) as Record<Setter, number>;
  const writesBySetter = { ...writes, set_pte: 465_000, ptep_get_and_clear: 930 };
  const counts = {
    tableWrites: 465_930,
    writesBySetter,
    registerWrites,
    barriers: registerWrites,
    tlbInvalidations: 15_415,
  };
  const boot = { tableWrites: 4178, registerWrites: registerWrites / 2, barriers: 0, tlbInvalidations: 33 };
  return {
    boot,
    ...counts,
    seconds: 1.76,
    eventsPerSecond: 100_519,
    events: 176_996,
    overhead: null,
    wrmsrCycles: null,
  };
}
