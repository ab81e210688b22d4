import type { Setter } from "@kpkeys/core/contracts";
import type { CoverageGap } from "@kpkeys/kernel";
import { countResults } from "@kpkeys/kunit-suite";
import type { AttackGap, KunitCounts } from "@kpkeys/kunit-suite";
import type { CheckResult, FoundGap, ReplayResult } from "@kpkeys/workloads";
import type { Job, JobResult } from "../job.js";
import type { CostFile } from "../overhead/costs.js";
import { estimateOverhead } from "../overhead/estimate.js";
import type { OverheadEstimate } from "../overhead/estimate.js";
import type { ArchId } from "../plugins.js";
import { isDocumented, POLICIES } from "@kpkeys/scenarios";
import type { Policy, SeriesName } from "@kpkeys/scenarios";
import { digestOf } from "./digest.js";
import { withUnknown } from "./unknown.js";

/** A number that depends on the recording: `null` where the recording lacks what it depends on, which {@link RunReport.notKnown} names. */
export type Known = number | null;

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
  readonly series: SeriesName;
  /** The policy. */
  readonly policy: Policy;
}

/** What counts are turned into time with. */
export interface Pricing {
  /** Unit costs of one architecture. */
  readonly costs: CostFile;
  /** Cycles of a WRMSR of the key register; nobody has measured them. */
  readonly wrmsrCycles?: number;
}

/** The architecture whose key register is an MSR. */
const MSR_ARCH: ArchId = "x86-pks";

/**
 * Makes the report of jobs that replayed one trace.
 * @param jobs - by architecture and series, those of the strongest policy first and checked
 * @param results - what came of them, in their order; those that were not begun are missing at the end
 * @param pricing - what turns their counts into time
 */
export function reportOf(jobs: readonly Job[], results: readonly JobResult[], pricing: Pricing): RunReport {
  const groups = new Map<string, JobResult[]>();
  for (const result of results) {
    const column = `${result.job.spec.arch} ${result.job.series}`;
    groups.set(column, [...(groups.get(column) ?? []), result]);
  }
  const traces = results.map(({ replay }) => replay!.trace);
  const trace = traces.reduce((far, trace) => (trace.events > far.events ? trace : far));
  const refused = new Set(traces.map((trace) => trace.refused));
  const report = {
    trace: { ...trace, refused: refused.size === 1 ? trace.refused : null },
    notKnown: [],
    partial: results.length < jobs.length || results.some(({ replay }) => replay!.stopped),
    notRun: jobs.slice(results.length).map(({ spec, series, policy }) => ({ arch: spec.arch, series, policy })),
    arches: [...groups.values()].map((group) => archReportOf(group, pricing)),
  };
  return withUnknown(report);
}

const POLICY_NAMES = Object.keys(POLICIES) as Policy[];

/** @param unsorted - of one architecture and series, the checked one first */
function archReportOf(unsorted: readonly JobResult[], pricing: Pricing): ArchReport {
  const strongest = unsorted[0]!;
  const results = POLICY_NAMES.flatMap((name) => unsorted.filter(({ job }) => job.policy === name));
  const { job, replay, coverage, kunit, attack } = strongest;
  const { trace, alreadyMapped, inferredMappings, unexplainedFaults, linux, check } = replay!;
  const checks = {
    coverage: withDocumented(coverage!, job.series),
    kunit: kunit && countResults(kunit),
    attack: attack && withDocumented(attack, job.series),
  };
  return {
    arch: job.spec.arch,
    series: job.series,
    pkeys: hasPkeys(job),
    checked: job.policy,
    ...checks,
    linearMap: strongest.linearMap!,
    check: check && withDocumented(check, job.series),
    policies: Object.fromEntries(results.map((result) => [result.job.policy, policyReportOf(result, pricing)])),
    refused: trace.refused,
    alreadyMapped,
    inferredMappings,
    unexplainedFaults,
    linux,
    digest: digestOf(results, checks),
  };
}

function policyReportOf({ job, replay }: JobResult, { costs, wrmsrCycles }: Pricing): PolicyReport {
  const { trace, counters, seconds } = replay!;
  const { tableWrites, writesBySetter, registerWrites, barriers, tlbInvalidations } = counters;
  const { arch } = job.spec;
  return {
    tableWrites,
    writesBySetter,
    registerWrites,
    barriers,
    tlbInvalidations,
    seconds,
    eventsPerSecond: Math.round(trace.events / seconds),
    events: trace.events,
    overhead: job.policy === "off" || arch !== costs.arch ? null : estimateOverhead(counters, costs),
    wrmsrCycles: wrmsrCycles === undefined || arch !== MSR_ARCH ? null : wrmsrCycles * registerWrites,
  };
}

/**
 * Whether the CPUs of a job's machine have kernel pkeys.
 * @param job - the job
 */
export function hasPkeys({ spec }: Job): boolean {
  return spec.options[spec.arch]?.["pkeys"] !== false;
}

/**
 * Tells of each gap whether it is documented.
 * @param found - what has gaps
 * @param series - the version of the series that it was found in
 */
export function withDocumented<Gap extends CoverageGap | AttackGap | FoundGap, Found extends object>(
  found: Found & { readonly gaps: readonly Gap[] },
  series: SeriesName,
): Omit<Found, "gaps"> & { readonly gaps: readonly (Gap & Documented)[] } {
  return { ...found, gaps: found.gaps.map((gap) => ({ ...gap, documented: isDocumented(series, gap) })) };
}
