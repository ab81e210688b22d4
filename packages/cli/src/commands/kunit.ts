import { KpkeysError } from "@kpkeys/core";
import { EXIT } from "../errors.js";
import type { Job, JobResult } from "../job.js";
import { readFilter } from "../kunit-cases.js";
import type { KunitChoice } from "../kunit-cases.js";
import { jobsOf } from "../options.js";
import type { CommonFlags } from "../options.js";
import { writeOutput } from "../output.js";
import { hasFailures, kunitCasesReportOf, kunitCasesTextOf, kunitReportOf, kunitTextOf } from "../report/kunit.js";
import { runAll } from "./jobs.js";
import { printReport } from "./print.js";

/** The flags of `kpkeys kunit`. */
export interface KunitFlags extends CommonFlags {
  /** KUnit's `filter_glob`. */
  readonly filter?: string;
  /** Whether the cases are listed instead of run. */
  readonly list?: true;
  /** The file to write the results to as JUnit XML. */
  readonly junit?: string;
  /** Seed of the order of the cases; the order of the suite if left out. */
  readonly seed?: number;
}

/** The symbols that `kunit.py --alltests` turns on. A config file may turn them off. */
const ALL_TESTS = ["KUNIT", "KUNIT_ALL_TESTS"];

/**
 * `kpkeys kunit`: runs the suites of the kernel and its features on machines that have just booted.
 * @param flags - the command line's
 * @returns the exit status: 1 when a case failed
 * @throws KpkeysError ERR_KUNIT_EMPTY when no machine has a case to run; ERR_OUTPUT for a file that cannot be written; errors of the jobs
 */
export async function kunit(flags: KunitFlags): Promise<number> {
  const { filter, list = false, seed: shuffle } = flags;
  if (filter !== undefined) readFilter(filter);
  const choice = { ...(filter !== undefined && { filter }), ...(shuffle !== undefined && { shuffle }) };
  const results = await runAll(jobsFor(flags, choice, list), { ...flags, symbols: ALL_TESTS });
  requireCases(results, filter);
  if (list) {
    printReport(flags.json, kunitCasesReportOf(results), () => kunitCasesTextOf(results));
    return EXIT.GOOD;
  }
  const report = kunitReportOf(results);
  if (flags.junit !== undefined) {
    const { junitOf } = await import("../report/junit.js");
    writeOutput(flags.junit, junitOf(results));
  }
  printReport(flags.json, report, () => kunitTextOf(results));
  return report.arches.some(hasFailures) ? EXIT.FAILED : EXIT.GOOD;
}

function jobsFor(flags: KunitFlags, choice: KunitChoice, list: boolean): Job[] {
  const checks = [list ? "kunitCases" : "kunit"] as const;
  return jobsOf(flags).map((job) => ({ ...job, checks, kunit: choice }));
}

function requireCases(results: readonly JobResult[], filter: string | undefined): void {
  if (results.some(({ kunit, kunitCases }) => (kunit ?? kunitCases)!.length > 0)) return;
  throw new KpkeysError(
    "ERR_KUNIT_EMPTY",
    filter === undefined ? "no suite is built in" : `no case matches '${filter}'`,
    filter === undefined
      ? { where: "config", expected: "CONFIG_KUNIT=y and the symbol of a suite" }
      : {
          where: "--filter",
          expected: "a glob of suites, or SUITE.CASE with a glob for each; --list prints the names",
        },
  );
}
