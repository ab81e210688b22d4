import { countResults, formatKtap } from "@kpkeys/kunit-suite";
import type { CaseResult, KunitCounts, SuiteResult } from "@kpkeys/kunit-suite";
import type { JobResult } from "../job.js";
import { SERIES } from "../series.js";
import type { Policy, SeriesName } from "../series.js";

/** Numbers of cases. */
export interface CaseCounts extends KunitCounts {
  /** Of the failed ones those that a documented gap explains; left out when there are none. */
  readonly documented?: number;
}

/** Suites on one machine. */
export interface MachineKunitReport extends CaseCounts {
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
      /** What became of it. */
      readonly status: CaseResult["status"];
      /** Its diagnostic lines; of a skipped case the last is the reason. */
      readonly messages: readonly string[];
    }[];
  }[];
}

/** What `kpkeys kunit --json` prints. */
export interface KunitReport {
  /** One entry for each architecture, version of the series and policy. */
  readonly arches: readonly MachineKunitReport[];
}

/**
 * Makes the report of jobs that ran KUnit.
 * @param results - their results
 */
export function kunitReportOf(results: readonly JobResult[]): KunitReport {
  return {
    arches: results.map(({ job, kunit }) => ({
      arch: job.spec.arch,
      series: job.series,
      policy: job.policy,
      suites: kunit!.map(({ name, cases }) => ({ name, cases: cases.map(caseReportOf) })),
      ...countCases(kunit!, job.series),
    })),
  };
}

/**
 * Counts cases.
 * @param suites - what came of them
 * @param series - the version of the series, which may document why a case fails
 */
export function countCases(suites: readonly SuiteResult[], series: SeriesName): CaseCounts {
  const explained = SERIES[series].documentedGaps.map(({ kunitCase }) => kunitCase);
  const documented = suites
    .flatMap(({ cases }) => cases)
    .filter(({ name, status }) => status === "failed" && explained.includes(name)).length;
  return { ...countResults(suites), ...(documented > 0 && { documented }) };
}

/**
 * Whether cases failed that no documented gap explains.
 * @param counts - the numbers
 */
export function hasFailures({ failed, documented = 0 }: CaseCounts): boolean {
  return failed > documented;
}

function caseReportOf({ name, status, log, skipReason }: CaseResult): MachineKunitReport["suites"][0]["cases"][0] {
  return { name, status, messages: skipReason === undefined ? log : [...log, skipReason] };
}

/**
 * The results as one KTAP document: the suites of a single machine as its kernel would print them; of several machines
 * a test for each, with its suites nested in it.
 * @param results - results of jobs that ran KUnit
 */
export function kunitTextOf(results: readonly JobResult[]): string {
  if (results.length === 1) return formatKtap(results[0]!.kunit!);
  const lines = ["KTAP version 1", `1..${results.length}`];
  results.forEach(({ job, kunit }, index) => {
    const name = `${job.spec.arch} ${job.series} ${job.policy}`;
    const [version, ...rest] = formatKtap(kunit!).trimEnd().split("\n");
    lines.push(...[version!, `# Subtest: ${name}`, ...rest].map((line) => `    ${line}`));
    lines.push(`${countResults(kunit!).failed > 0 ? "not ok" : "ok"} ${index + 1} ${name}`);
  });
  return `${lines.join("\n")}\n`;
}
