import { EXIT } from "../errors.js";
import type { Check } from "../job.js";
import { jobsOf } from "../options.js";
import type { CommonFlags } from "../options.js";
import { hasFailures, kunitReportOf, kunitTextOf } from "../report/kunit.js";
import { doJobs } from "./jobs.js";
import { print, printJson } from "./print.js";

const CHECKS: readonly Check[] = ["kunit"];

/**
 * `kpkeys kunit`: the suites of the features on machines that have just booted.
 * @param flags - the command line's
 * @returns the exit status
 */
export async function kunit(flags: CommonFlags): Promise<number> {
  const results = await doJobs(
    jobsOf(flags).map((job) => ({ ...job, checks: CHECKS })),
    flags,
  );
  const report = kunitReportOf(results);
  if (flags.json === true) printJson(report);
  else print(kunitTextOf(results));
  return report.arches.some(hasFailures) ? EXIT.FAILED : EXIT.GOOD;
}
