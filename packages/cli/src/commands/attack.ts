import { EXIT } from "../errors.js";
import type { Check } from "../job.js";
import { jobsOf } from "../options.js";
import type { CommonFlags } from "../options.js";
import { attackReportOf, attackTextOf } from "../report/attack.js";
import { styleFor } from "../report/style.js";
import { failuresOf } from "../report/verdict.js";
import { doJobs } from "./jobs.js";
import { print, printJson } from "./print.js";

const CHECKS: readonly Check[] = ["attack"];

/**
 * `kpkeys attack`: an attacker's writes to all that should be protected.
 * @param trace - a recording to replay before; none if left out
 * @param flags - the command line's
 * @returns the exit status
 */
export async function attack(trace: string | undefined, flags: CommonFlags): Promise<number> {
  const jobs = jobsOf(flags).map((job) => ({ ...job, checks: CHECKS, ...(trace !== undefined && { trace }) }));
  const report = attackReportOf(await doJobs(jobs, flags));
  if (flags.json === true) printJson(report);
  else print(attackTextOf(report, styleFor(process.stdout)));
  const failed = report.arches.some((each) => failuresOf({ ...each, checked: each.policy, attack: each }).length > 0);
  return failed ? EXIT.FAILED : EXIT.GOOD;
}
