import type { CheckMode } from "@kpkeys/workloads";
import { EXIT } from "../errors.js";
import type { Check } from "../job.js";
import { jobsOf } from "../options.js";
import type { CommonFlags } from "../options.js";
import { readCosts } from "../overhead/costs.js";
import { reportOf } from "../report/document.js";
import { styleFor } from "../report/style.js";
import { textOf } from "../report/text.js";
import { failuresOf } from "../report/verdict.js";
import { doJobs } from "./jobs.js";
import { print, printJson } from "./print.js";

/** The flags of commands that replay. */
export type ReplayFlags = CommonFlags & {
  /** A VmPTE file. */
  readonly vmpte?: string;
  /** How often the page tables are looked at meanwhile. */
  readonly check: CheckMode;
  /** A file of unit costs; those of RFC v5 if left out. */
  readonly cost?: string;
  /** Cycles of a WRMSR of the key register. */
  readonly wrmsrCycles?: number;
};

/**
 * `kpkeys replay`: replays a workload; what it costs and covers.
 * @param trace - the recording
 * @param flags - the command line's
 * @returns the exit status
 */
export async function replay(trace: string, flags: ReplayFlags): Promise<number> {
  return reportReplay(trace, flags, ["coverage"]);
}

/**
 * Replays a recording on every machine asked for, checks the one of the strongest policy, and reports.
 * @param trace - the recording
 * @param flags - the command line's
 * @param checks - what is checked
 * @returns the exit status
 */
export async function reportReplay(trace: string, flags: ReplayFlags, checks: readonly Check[]): Promise<number> {
  const strongest = flags.policy.at(-1);
  const { vmpte, check, config, cost, wrmsrCycles } = flags;
  const pricing = { costs: await readCosts(cost), ...(wrmsrCycles !== undefined && { wrmsrCycles }) };
  const jobs = jobsOf(flags).map((job) => ({
    ...job,
    trace,
    ...(job.policy === strongest && { checks, check, ...(vmpte !== undefined && { vmpte }) }),
  }));
  const report = reportOf(await doJobs(jobs, config), pricing);
  if (flags.json === true) printJson(report);
  else print(textOf(report, styleFor(process.stdout), process.stdout.isTTY ? process.stdout.columns : undefined));
  return report.arches.some((arch) => failuresOf(arch).length > 0) ? EXIT.FAILED : EXIT.GOOD;
}
