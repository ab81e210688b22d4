import { embeddedTrace } from "@kpkeys/workloads";
import { EXIT } from "../errors.js";
import type { Job } from "../job.js";
import { jobsOf } from "../options.js";
import { benchmarkCounts } from "../overhead/benchmarks.js";
import { costFileOf, writeCosts } from "../overhead/costs.js";
import { evaluate, missedGoals } from "../overhead/evaluate.js";
import { countsTextOf, overheadCsvOf, overheadReportOf, overheadTextOf } from "../report/overhead.js";
import { styleFor } from "../report/style.js";
import { doJobs } from "./jobs.js";
import { print, printJson } from "./print.js";

/** The flags of `kpkeys overhead`. */
export interface OverheadFlags {
  /** The recording that stands for kernbench; the embedded one if left out. */
  readonly trace?: string;
  /** Whether the counts are printed instead of the predictions. */
  readonly counts?: true;
  /** Where the fitted costs are written. */
  readonly saveCosts?: string;
  /** Seed of the bootstrap. */
  readonly seed: number;
  /** Whether the predictions are printed as CSV. */
  readonly csv?: true;
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

/** The machines that the published table is compared with: arm64, series v5, one for each policy. */
export function calibrationJobs(trace: string): Job[] {
  const jobs = jobsOf({
    arch: ["arm64-poe"],
    series: ["v5"],
    feature: ["pgtables"],
    policy: ["off", "naive", "batched"],
    memory: 4 * 2 ** 30,
    cpus: 1,
    pkeys: true,
    seed: 1,
  });
  return jobs.map((job) => ({ ...job, trace, micro: true }));
}

/**
 * `kpkeys overhead`: runs the benchmarks of the published table, fits half of it and predicts the other half, both ways round.
 * @param flags - the command line's
 * @returns the exit status: 1 when the predictions miss what they are held to
 */
export async function overhead(flags: OverheadFlags): Promise<number> {
  const counts = benchmarkCounts(await doJobs(calibrationJobs(flags.trace ?? embeddedTrace.trace)));
  const { evaluation, fits } = evaluate(counts, flags.seed);
  if (flags.saveCosts !== undefined) writeCosts(flags.saveCosts, costFileOf([fits.even, fits.odd]));
  const style = styleFor(process.stdout);
  if (flags.json === true) printJson(overheadReportOf(evaluation, counts));
  else if (flags.csv === true) print(overheadCsvOf(evaluation));
  else if (flags.counts === true) print(countsTextOf(counts, style));
  else print(overheadTextOf(evaluation, style));
  return missedGoals(evaluation).length > 0 ? EXIT.FAILED : EXIT.GOOD;
}
