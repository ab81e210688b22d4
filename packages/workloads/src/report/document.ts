import type { Setter } from "@kpkeys/core/contracts";
import type { CoverageGap } from "@kpkeys/kernel";
import type { OverheadEstimate } from "../cost/estimate.js";
import type { Policy } from "../cost/policy.js";
import type { CheckResult, FoundGap } from "../replay/check.js";
import type { ReplayResult } from "../replay/replay.js";
import type { AttackGap, KunitCounts } from "./findings.js";

/** A number that depends on the recording. `null`: the recording lacks the events that it depends on; see {@link RunReport.notKnown}. */
export type Known = number | null;

/** The place of a gap. */
export interface GapPlace {
  /** Allocation of the table pages, or a feature's name for its objects. */
  readonly source: string;
  /** The open mapping: `linear`, or `other` for another mapping of the kernel. */
  readonly mapping: string;
}

/** Whether a gap is documented. */
export interface Documented {
  /** Whether the version of the series documents the gap. */
  readonly documented: boolean;
}

/** The costs of the boot of a machine. They do not depend on the recording. */
export interface BootReport {
  /** Page-table entries written; most of them map the linear map. */
  readonly tableWrites: number;
  /** Writes of the key register. */
  readonly registerWrites: number;
  /** Barriers caused by key switches, without those that Linux makes in its setters. */
  readonly barriers: number;
  /** TLB invalidations. */
  readonly tlbInvalidations: number;
}

/** The costs of a workload under one policy. */
export interface PolicyReport {
  /** The costs of boot, which the other numbers do not include. */
  readonly boot: BootReport;
  /** Page-table entries written. */
  readonly tableWrites: Known;
  /** `tableWrites` by setter, for every setter in `SETTERS` of @kpkeys/core and in that order. */
  readonly writesBySetter: Readonly<Record<Setter, Known>>;
  /** Writes of the key register. */
  readonly registerWrites: Known;
  /** Barriers caused by key switches, without those that Linux makes in its setters. */
  readonly barriers: Known;
  /** TLB invalidations. */
  readonly tlbInvalidations: Known;
  /** Wall time of the replay in seconds, including the time to read the trace. */
  readonly seconds: number;
  /** Replayed events per second. */
  readonly eventsPerSecond: number;
  /** Replayed events; fewer than on other machines if the command was interrupted. */
  readonly events: number;
  /** Estimate of the system time that the hardening adds; `null` for policy `off` and for an architecture without unit costs. */
  readonly overhead: OverheadEstimate | null;
  /** Cycles of the key register writes, from `--wrmsr-cycles`; `null` without the option and if the register is not an MSR. */
  readonly wrmsrCycles: Known;
}

/** The costs that are a single number and that every policy has. */
export type CountedCost = Exclude<keyof PolicyReport, "boot" | "overhead" | "wrmsrCycles" | "writesBySetter">;

/** Table pages of one kind. */
export interface PageCounts {
  /** All pages. */
  readonly pages: Known;
  /** Pages whose writable mappings all have the key of page tables. */
  readonly keyed: Known;
  /** Pages without a writable mapping. */
  readonly readOnly: Known;
}

/** A gap. Its place is known; its size is known only if the recording shows all user tables. */
export type GapReport<Gap, Count extends keyof Gap> = Omit<Gap, Count> & {
  readonly [Each in Count]: Known;
} & Documented;

/** The protection of table pages, as found in the page-table entries. */
export interface CoverageReport extends PageCounts {
  /** Counts by allocation. */
  readonly bySource: Readonly<Record<string, PageCounts>>;
  /** Counts by level. */
  readonly byLevel: Readonly<Record<string, PageCounts>>;
  /** Objects that features protect, by name. */
  readonly objects: Readonly<Record<string, { readonly [Count in "objects" | "keyed" | "readOnly"]: Known }>>;
  /** Pages that are neither keyed nor read-only. */
  readonly gaps: readonly GapReport<CoverageGap, "pages">[];
}

/** Probe accesses. */
export interface StoreCounts {
  /** Stores through writable mappings, and loads from objects whose reads are withheld. */
  readonly tried: Known;
  /** Accesses that faulted because of a key. */
  readonly blocked: Known;
}

/** The result of probe accesses to protected pages. */
export interface AttackReport extends StoreCounts {
  /** The loads among them. */
  readonly loads: StoreCounts;
  /** Counts by allocation of the table pages, or by a feature's name for its objects. */
  readonly bySource: Readonly<Record<string, StoreCounts>>;
  /** Stores that faulted because the mapping is read-only, with or without hardening. `tried` does not include them. */
  readonly readOnly: Known;
  /** Accesses that succeeded. */
  readonly gaps: readonly GapReport<AttackGap, "stores">[];
}

/** The result of the check during the replay. */
export interface CheckReport extends Pick<CheckResult, "mode" | "scans"> {
  /** Table pages, summed over all audits. */
  readonly pages: Known;
  /** Open table pages, summed over all audits. */
  readonly open: Known;
  /** Open table pages by place. */
  readonly gaps: readonly GapReport<FoundGap, "pages">[];
}

/** One architecture under one version of the series. */
export interface ArchReport {
  /** The architecture's id. */
  readonly arch: string;
  /** The version's name. */
  readonly series: string;
  /** Whether its CPUs have kernel pkeys. */
  readonly pkeys: boolean;
  /** The strongest policy that was run. Coverage, KUnit, probe stores and agreement are those of its machine. */
  readonly checked: Policy;
  /** The protection of table pages. */
  readonly coverage: CoverageReport;
  /** The linear map, which shows the cost of the allocation of table pages. */
  readonly linearMap: {
    /** Table pages below the top level. */
    readonly tables: Known;
    /** Leaves of each size. */
    readonly leaves: readonly {
      /** Bytes that a leaf maps. */
      readonly bytes: number;
      /** Number of leaves. */
      readonly count: Known;
    }[];
    /** Blocks split. */
    readonly splits: Known;
    /** Bytes that 1,024 TLB entries cover on average. */
    readonly tlbReach: Known;
  };
  /** KUnit results; `null` from `kpkeys replay`. */
  readonly kunit: KunitCounts | null;
  /** Probe stores; `null` from `kpkeys replay`. */
  readonly attack: AttackReport | null;
  /** The check during the replay; `null` with `--check off`. */
  readonly check: CheckReport | null;
  /** Costs by policy. */
  readonly policies: Readonly<Partial<Record<Policy, PolicyReport>>>;
  /** System calls that succeeded on Linux and that this machine refused. */
  readonly refused: Known;
  /** Faults on pages that the model had already mapped. */
  readonly alreadyMapped: Known;
  /** Mappings inferred from faults, without a system call: those of execve. */
  readonly inferredMappings: Known;
  /** Faults outside every mapping. */
  readonly unexplainedFaults: Known;
  /** Comparison with Linux; `null` without a VmPTE file. */
  readonly linux: ReplayResult["linux"];
  /** SHA-256, 64 hexadecimal digits, of the counters and page tables of all machines and of the checks. */
  readonly digest: string;
}

/** A recording. */
export interface TraceReport extends Omit<ReplayResult["trace"], "processes" | "refused"> {
  /** Processes replayed. */
  readonly processes: Known;
  /** System calls that succeeded on Linux and that the machines refused; `null` if the machines differ, see {@link ArchReport.refused}. */
  readonly refused: Known;
}

/** A field that is `null` because the recording lacks the events that it depends on. */
export interface NotKnown {
  /** Path in the document; `*` for each architecture, policy, level or setter, `source=user` for the entries with that source. */
  readonly field: string;
  /** The missing information, as clauses. */
  readonly reason: string;
}

/** The document of `kpkeys run --json` and `kpkeys replay --json`. */
export interface RunReport {
  /** The trace, from the machine that replayed the most events. */
  readonly trace: TraceReport;
  /** The fields that are not known. */
  readonly notKnown: readonly NotKnown[];
  /** Whether the command was interrupted. The report then has the results up to that point. */
  readonly partial: boolean;
  /** The machines that were not started because of the interrupt. */
  readonly notRun: readonly MachineName[];
  /** One entry per architecture and version of the series. */
  readonly arches: readonly ArchReport[];
}

/** A machine as named on the command line. */
export interface MachineName {
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: string;
  /** The policy. */
  readonly policy: Policy;
}
