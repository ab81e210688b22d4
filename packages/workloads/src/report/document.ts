import type { Setter } from "@kpkeys/core/contracts";
import type { CoverageGap } from "@kpkeys/kernel";
import type { OverheadEstimate } from "../cost/estimate.js";
import type { Policy } from "../cost/policy.js";
import type { CheckResult, FoundGap } from "../replay/check.js";
import type { ReplayResult } from "../replay/replay.js";
import type { AttackGap, KunitCounts } from "./findings.js";

/** A number that depends on the recording: `null` where the recording lacks what it depends on, which {@link RunReport.notKnown} names. */
export type Known = number | null;

/** Where a gap is. */
export interface GapPlace {
  /** Where the pages come from, or what a feature calls its objects. */
  readonly source: string;
  /** Which mapping of them is open: `linear`, or another one of the kernel's. */
  readonly mapping: string;
}

/** Whether the version of the series leaves a gap open by its own account. */
export interface Documented {
  /** True: known and listed apart; false: a hole. */
  readonly documented: boolean;
}

/** What a workload cost under one policy. */
export interface PolicyReport {
  /** Page-table entries written. */
  readonly tableWrites: Known;
  /** The same by the kernel function that wrote them: every one of `SETTERS` of @kpkeys/core, in their order. They add up to `tableWrites`. */
  readonly writesBySetter: Readonly<Record<Setter, Known>>;
  /** Writes of the key register. */
  readonly registerWrites: Known;
  /** Barriers that the key switches cause; those that a setter emits anyway are not among them. */
  readonly barriers: Known;
  /** TLB invalidations. */
  readonly tlbInvalidations: Known;
  /** Wall time of the replay, reading included. */
  readonly seconds: number;
  /** Events of the trace a second. */
  readonly eventsPerSecond: number;
  /** Events of the trace that this machine came to; fewer than others if it was interrupted before them. */
  readonly events: number;
  /** What the hardening is estimated to add to the system time; `null` with it off, and where there are no unit costs. */
  readonly overhead: OverheadEstimate | null;
  /** Cycles of the key register's writes, by `--wrmsr-cycles`; `null` without it and where the register is no MSR. */
  readonly wrmsrCycles: Known;
}

/** What of a policy's cost is a single number, counted or measured, and always there. */
export type CountedCost = Exclude<keyof PolicyReport, "overhead" | "wrmsrCycles" | "writesBySetter">;

/** Table pages of one kind. */
export interface PageCounts {
  /** All of them. */
  readonly pages: Known;
  /** Those of which every writable mapping carries the key of page tables. */
  readonly keyed: Known;
  /** Those that no mapping lets be written. */
  readonly readOnly: Known;
}

/** A gap of which the place is known, and how large it is only if the recording shows all user tables. */
export type GapReport<Gap, Count extends keyof Gap> = Omit<Gap, Count> & {
  readonly [Each in Count]: Known;
} & Documented;

/** What is protected, by the entries themselves: table pages. */
export interface CoverageReport extends PageCounts {
  /** The same by where the pages came from. */
  readonly bySource: Readonly<Record<string, PageCounts>>;
  /** The same by level. */
  readonly byLevel: Readonly<Record<string, PageCounts>>;
  /** Objects that features protect, by their names. */
  readonly objects: Readonly<Record<string, { readonly [Count in "objects" | "keyed" | "readOnly"]: Known }>>;
  /** Pages that are neither keyed nor read-only. */
  readonly gaps: readonly GapReport<CoverageGap, "pages">[];
}

/** Stores tried and blocked. */
export interface StoreCounts {
  /** Stores through mappings that are writable but for a key. */
  readonly tried: Known;
  /** Those that faulted. */
  readonly blocked: Known;
}

/** What attacks came to. */
export interface AttackReport extends StoreCounts {
  /** The same by where the table pages came from, or by what a feature calls its objects. */
  readonly bySource: Readonly<Record<string, StoreCounts>>;
  /** Stores that faulted because the mapping is read-only, whatever the hardening; not among those tried. */
  readonly readOnly: Known;
  /** What was not blocked. */
  readonly gaps: readonly GapReport<AttackGap, "stores">[];
}

/** What was seen of the page tables while the workload ran. */
export interface CheckReport extends Pick<CheckResult, "mode" | "scans"> {
  /** Table pages in all looks together. */
  readonly pages: Known;
  /** How many of those were open. */
  readonly open: Known;
  /** What was open. */
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
  /** The strongest policy that was run: coverage, KUnit, attack and agreement are those of its machine after the replay. */
  readonly checked: Policy;
  /** What is protected. */
  readonly coverage: CoverageReport;
  /** Of what the linear map consists: the price of how table pages are allocated. */
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
  /** KUnit; `null` from `kpkeys replay`. */
  readonly kunit: KunitCounts | null;
  /** Attacks; `null` from `kpkeys replay`. */
  readonly attack: AttackReport | null;
  /** What was seen of the page tables during the replay; `null` with `--check off`. */
  readonly check: CheckReport | null;
  /** Costs by policy. */
  readonly policies: Readonly<Partial<Record<Policy, PolicyReport>>>;
  /** System calls that Linux carried out and this machine refused. */
  readonly refused: Known;
  /** Faults of the trace on pages that were mapped in the model already. */
  readonly alreadyMapped: Known;
  /** Mappings that no system call made, inferred from faults on them: those of execve. */
  readonly inferredMappings: Known;
  /** Faults that no mapping explains. */
  readonly unexplainedFaults: Known;
  /** Agreement with the kernel that was recorded; `null` without a VmPTE file. */
  readonly linux: ReplayResult["linux"];
  /** SHA-256, 64 hexadecimal digits, over all of this that does not depend on time, and over every machine's tables. */
  readonly digest: string;
}

/** A recording. */
export interface TraceReport extends Omit<ReplayResult["trace"], "processes" | "refused"> {
  /** Processes met, or of these those in the sample. */
  readonly processes: Known;
  /** System calls that Linux carried out and the machines refused; `null` where they differ in it: {@link ArchReport.refused}. */
  readonly refused: Known;
}

/** A field of the report that cannot be known from the recording. */
export interface NotKnown {
  /** Its path in the document; `*` for each architecture, policy, level or setter, `source=user` for the entries of that source. */
  readonly field: string;
  /** What the recording lacks. */
  readonly reason: string;
}

/** What `kpkeys run --json` and `kpkeys replay --json` print. */
export interface RunReport {
  /** The workload, as far as the machine came that came farthest. */
  readonly trace: TraceReport;
  /** What is `null` because the recording lacks what it depends on. */
  readonly notKnown: readonly NotKnown[];
  /** Whether the command was interrupted before it was done: the report says what was found out until then. */
  readonly partial: boolean;
  /** The machines that were not begun because of that. */
  readonly notRun: readonly MachineName[];
  /** One entry for each architecture and version of the series. */
  readonly arches: readonly ArchReport[];
}

/** A machine by what the command line calls it. */
export interface MachineName {
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: string;
  /** The policy. */
  readonly policy: Policy;
}
