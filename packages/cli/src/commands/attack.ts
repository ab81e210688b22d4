import { EXIT } from "../errors.js";
import type { Check } from "../job.js";
import { jobsOf } from "../options.js";
import type { CommonFlags } from "../options.js";
import { attackReportOf, attackTextOf } from "../report/attack.js";
import { failuresOf } from "../report/verdict.js";
import { runAll } from "./jobs.js";
import { printReport } from "./print.js";

const CHECKS: readonly Check[] = ["attack"];

/**
 * `kpkeys attack`: stores from outside the setters to every protected page and object, after boot or after a replay.
 * @param trace - a recording to replay first; none if left out
 * @param flags - the command line's
 * @returns the exit status: 1 when a store went through an undocumented gap
 * @throws KpkeysError of a job, such as ERR_INPUT_MISSING
 */
export async function attack(trace: string | undefined, flags: CommonFlags): Promise<number> {
  const jobs = jobsOf(flags).map((job) => ({ ...job, checks: CHECKS, ...(trace !== undefined && { trace }) }));
  const report = attackReportOf(await runAll(jobs, flags));
  printReport(flags.json, report, (style) => attackTextOf(report, style));
  const failed = report.arches.some((each) => failuresOf({ ...each, checked: each.policy, attack: each }).length > 0);
  return failed ? EXIT.FAILED : EXIT.GOOD;
}
