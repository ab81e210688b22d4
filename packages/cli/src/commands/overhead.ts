import { KpkeysError } from "@kpkeys/core";
import { embeddedTrace } from "@kpkeys/workloads/node";
import type { LackKind } from "@kpkeys/workloads";
import { benchmarkCounts, costFileOf, evaluate, missedGoals, overheadReportOf } from "@kpkeys/workloads/cost/fitting";
import type { BenchmarkRun } from "@kpkeys/workloads/cost/fitting";
import { EXIT } from "../errors.js";
import type { Job, JobResult } from "../job.js";
import { jobsOf } from "../options.js";
import { readCosts, writeCosts } from "../overhead/costs.js";
import { whatIfJobs, whatIfRows } from "../overhead/what-if.js";
import type { NamingFlags } from "../plugins/flags.js";
import { BUNDLED, idsOf } from "../plugins/registry.js";
import type { PluginEntry } from "../plugins/registry.js";
import { countsTextOf, overheadCsvOf, overheadTextOf } from "../report/overhead.js";
import { whatIfTextOf } from "../report/what-if.js";
import { runAll } from "./jobs.js";
import { printReport } from "./print.js";

/** The flags of `kpkeys overhead`. */
export interface OverheadFlags extends NamingFlags {
  /** All loaded plugins. */
  readonly plugins: readonly PluginEntry[];
  /** The recording used as kernbench; the bundled one if left out. */
  readonly trace?: string;
  /** Whether the counts are printed instead of the predictions. */
  readonly counts?: true;
  /** Whether other guard placements are compared instead. */
  readonly whatIf?: true;
  /** A file of unit costs for that comparison. */
  readonly cost?: string;
  /** The file to write the fitted unit costs to. */
  readonly saveCosts?: string;
  /** Seed of the bootstrap. */
  readonly seed: number;
  /** Whether the predictions are printed as CSV. */
  readonly csv?: true;
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

/** The events that the system time of a workload is estimated from. */
const FAULTS: readonly LackKind[] = ["page-faults", "page-fault-addresses"];

/** @throws KpkeysError ERR_TRACE_LACKS for a recording without a page fault: its system time cannot be estimated */
function requireFaults(trace: string, results: readonly JobResult[]): void {
  const { replay } = results[0]!;
  if (replay!.counters.userFaults > 0) return;
  const lack = replay!.trace.lacks.find(({ kind }) => FAULTS.includes(kind));
  throw new KpkeysError(
    "ERR_TRACE_LACKS",
    `no page fault to estimate system time from${lack === undefined ? "" : `: ${lack.reason}`}`,
    {
      where: trace,
      expected: `a recording of a workload that faults${lack === undefined ? "" : `: ${lack.remedy}`}`,
    },
  );
}

/**
 * The machines whose counts are compared with the published table: arm64, series v5, one for each policy.
 * @param trace - the recording used as kernbench
 */
export function calibrationJobs(trace: string): Job[] {
  const jobs = jobsOf({
    plugins: BUNDLED,
    arch: ["arm64-poe"],
    series: ["v5"],
    feature: ["pgtables"],
    policy: ["off", "naive", "batched"],
    memory: 4 * 2 ** 30,
    cpus: 1,
    pkeys: true,
  });
  return jobs.map((job) => ({ ...job, trace, micro: true }));
}

/**
 * The counts of a job of {@link calibrationJobs}.
 * @param result - its result
 */
export function benchmarkRunOf({ job, replay, micro }: JobResult): BenchmarkRun {
  return { policy: job.policy, replay: replay!, micro: micro! };
}

/**
 * `kpkeys overhead`: runs the benchmarks of RFC v5's table, fits the cost model to half of the table and predicts the other half; then the
 * halves are swapped.
 * @param flags - the command line's
 * @returns the exit status: 1 when a prediction misses its goal
 * @throws KpkeysError ERR_USAGE for `--plugin` without `--what-if`; ERR_TRACE_LACKS, ERR_COST_FILE, ERR_OUTPUT
 */
export async function overhead(flags: OverheadFlags): Promise<number> {
  if (flags.whatIf === true) return whatIf(flags);
  if (flags.plugin !== undefined) {
    const what = "the published table was measured without plugins";
    throw new KpkeysError("ERR_USAGE", what, { where: "--plugin", expected: "--plugin with --what-if" });
  }
  const trace = flags.trace ?? embeddedTrace.trace;
  const results = await runAll(calibrationJobs(trace), {});
  requireFaults(trace, results);
  const counts = benchmarkCounts(results.map(benchmarkRunOf));
  const { evaluation, fits } = evaluate(counts, flags.seed);
  if (flags.saveCosts !== undefined) writeCosts(flags.saveCosts, costFileOf([fits.even, fits.odd]));
  printReport(flags.json, overheadReportOf(evaluation, counts), (style) => {
    if (flags.csv === true) return overheadCsvOf(evaluation);
    return flags.counts === true ? countsTextOf(counts, style) : overheadTextOf(evaluation, style);
  });
  return missedGoals(evaluation).length > 0 ? EXIT.FAILED : EXIT.GOOD;
}

/** `kpkeys overhead --what-if`: cost and exposure of other guard placements. */
async function whatIf({ plugins, trace = embeddedTrace.trace, cost, json }: OverheadFlags): Promise<number> {
  const costs = await readCosts(cost, idsOf("arch", plugins));
  const results = await runAll(whatIfJobs(plugins, trace), {});
  requireFaults(trace, results);
  const report = { trace: results[0]!.replay!.trace.name, whatIf: whatIfRows(results, costs) };
  printReport(json, report, (style) => whatIfTextOf(report, style));
  return EXIT.GOOD;
}
