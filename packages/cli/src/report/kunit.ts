import { countResults, formatKtap, ktapOf, writeKtap } from "@kpkeys/kunit-suite";
import type { CaseResult, KtapTest, KunitCounts } from "@kpkeys/kunit-suite";
import type { Job, JobResult } from "../job.js";
import { NEXT_LABEL } from "@kpkeys/scenarios";
import type { Policy, SeriesName } from "@kpkeys/scenarios";

/** Suites on one machine. */
export interface MachineKunitReport extends KunitCounts {
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: SeriesName;
  /** The machine's policy. */
  readonly policy: Policy;
  /** The suites. */
  readonly suites: readonly {
    /** The name that KUnit prints. */
    readonly name: string;
    /** Its cases. */
    readonly cases: readonly {
      /** The name of the kernel's function. */
      readonly name: string;
      /** Its result. */
      readonly status: CaseResult["status"];
      /** Its diagnostic lines; the last line of a skipped case is the reason. */
      readonly messages: readonly string[];
    }[];
  }[];
}

/** The document of `kpkeys kunit --json`. */
export interface KunitReport {
  /** One entry for each architecture, version of the series and policy. */
  readonly arches: readonly MachineKunitReport[];
}

/**
 * Makes the report of KUnit.
 * @param results - results of jobs that ran KUnit
 */
export function kunitReportOf(results: readonly JobResult[]): KunitReport {
  return {
    arches: results.map(({ job, kunit }) => ({
      arch: job.spec.arch,
      series: job.series,
      policy: job.policy,
      suites: kunit!.map(({ name, cases }) => ({ name, cases: cases.map(caseReportOf) })),
      ...countResults(kunit!),
    })),
  };
}

/**
 * Whether a case failed.
 * @param counts - the numbers
 */
export function hasFailures({ failed }: KunitCounts): boolean {
  return failed > 0;
}

function caseReportOf({ name, status, log, skipReason }: CaseResult): MachineKunitReport["suites"][0]["cases"][0] {
  return { name, status, messages: skipReason === undefined ? log : [...log, skipReason] };
}

/**
 * The name of a machine in a report of several.
 * @param job - the job of the machine
 */
export function machineName({ spec, series, policy }: Job): string {
  return `${spec.arch} ${series} ${policy}`;
}

/**
 * The results as one KTAP document. The document of a single machine is what its kernel would print. With several machines each one is a
 * test with its suites as subtests. A machine without cases is skipped.
 * @param results - results of jobs that ran KUnit
 */
export function kunitTextOf(results: readonly JobResult[]): string {
  if (results.length === 1) return formatKtap(results[0]!.kunit!);
  return writeKtap(results.map(machineTest));
}

function machineTest({ job, kunit }: JobResult): KtapTest {
  const name = machineName(job);
  const tests = kunit!.map(ktapOf);
  const log = job.series === "next" ? [`next: ${NEXT_LABEL}`] : [];
  if (tests.length === 0) return { name, status: "skipped", directive: "SKIP no case to run", log, tests };
  const { failed, passed } = countResults(kunit!);
  if (failed + passed === 0) return { name, status: "skipped", directive: "SKIP", log, tests };
  return { name, status: failed > 0 ? "failed" : "passed", log, tests };
}

/** The document of `kpkeys kunit --list --json`. */
export interface KunitCasesReport {
  /** One entry for each architecture, version of the series and policy. */
  readonly arches: readonly (Pick<MachineKunitReport, "arch" | "series" | "policy"> & {
    /** The cases, `suite.case`, in the order in which they run. */
    readonly cases: readonly string[];
  })[];
}

/**
 * Makes the report of `--list`.
 * @param results - results of jobs that listed KUnit cases
 */
export function kunitCasesReportOf(results: readonly JobResult[]): KunitCasesReport {
  return {
    arches: results.map(({ job, kunitCases }) => ({
      arch: job.spec.arch,
      series: job.series,
      policy: job.policy,
      cases: kunitCases!,
    })),
  };
}

/**
 * The names of the cases, one per line, each once, as `kunit.py run --list_tests` prints them.
 * @param results - results of jobs that listed KUnit cases
 */
export function kunitCasesTextOf(results: readonly JobResult[]): string {
  return [...new Set(results.flatMap(({ kunitCases }) => kunitCases!))].map((name) => `${name}\n`).join("");
}
