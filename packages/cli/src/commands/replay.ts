import { embeddedTrace } from "@kpkeys/workloads/node";
import { reportOf } from "@kpkeys/workloads/report";
import { EXIT } from "../errors.js";
import type { Check, Job, JobResult } from "../job.js";
import { jobsOf } from "../options.js";
import type { ReplayFlags } from "../options.js";
import { createOutput } from "../output.js";
import { readCosts } from "../overhead/costs.js";
import type { ChosenEvents } from "../recording/events.js";
import type { Recorded } from "../recording/perf.js";
import { columnsOf, nameOf } from "../report/findings.js";
import { moreOf } from "../report/more.js";
import { idsOf } from "../plugins/registry.js";
import { styleFor } from "../report/style.js";
import { textOf } from "../report/text.js";
import { failuresOf } from "../report/verdict.js";
import { runAll } from "./jobs.js";
import { print, printJson } from "./print.js";

/** The architecture whose key register is an MSR. */
const MSR_ARCH = "x86-pks";

/** A recording that `kpkeys record` made. */
export interface OwnRecording {
  /** How it was made. */
  readonly report: RecordingReport;
  /** Whether its file is kept after the command ends. */
  readonly kept: boolean;
}

/** How a workload was recorded and ended. Only `kpkeys record --json` prints it. */
export interface RecordingReport extends Recorded, Pick<ChosenEvents, "events" | "leftOut"> {
  /** The workload and its arguments. */
  readonly command: readonly string[];
}

/**
 * `kpkeys replay`: replays a workload and reports cost and coverage.
 * @param trace - the recording
 * @param flags - the command line's
 * @returns the exit status
 */
export async function replay(trace: string, flags: ReplayFlags): Promise<number> {
  return reportReplay(trace, flags, ["coverage"]);
}

/**
 * `kpkeys run`: replays a workload and runs every check.
 * @param trace - the recording; the bundled one, with the VmPTE of its processes on Linux, if left out
 * @param flags - the command line's
 * @param recording - how it was recorded, if the same command did that
 * @returns the exit status
 */
export async function run(trace: string | undefined, flags: ReplayFlags, recording?: OwnRecording): Promise<number> {
  const checks: readonly Check[] = ["coverage", "attack", "kunit"];
  if (trace !== undefined) return reportReplay(trace, flags, checks, recording);
  return reportReplay(embeddedTrace.trace, { vmpte: embeddedTrace.vmpte, ...flags }, checks);
}

/**
 * Replays a recording on every machine, checks the machines of the strongest policy, and prints the report. The checked machines run
 * first, so that a report after Ctrl-C has their results.
 * @param trace - the recording
 * @param flags - the command line's
 * @param checks - the checks
 * @param recording - how it was recorded, if the same command did that
 * @returns the exit status
 */
async function reportReplay(
  trace: string,
  flags: ReplayFlags,
  checks: readonly Check[],
  recording?: OwnRecording,
): Promise<number> {
  const strongest = flags.policy.at(-1);
  const { vmpte, check, until, sample, seed, cost, wrmsrCycles } = flags;
  const wrmsr = wrmsrCycles === undefined ? undefined : { arch: MSR_ARCH, cycles: wrmsrCycles };
  const pricing = { costs: await readCosts(cost, idsOf("arch", flags.plugins)), ...(wrmsr !== undefined && { wrmsr }) };
  const part = {
    ...(until !== undefined && { until }),
    ...(sample !== undefined && { sample: { every: sample, seed } }),
  };
  const all = jobsOf(flags);
  const jobs: Job[] = [
    ...all
      .filter(({ policy }) => policy === strongest)
      .map((job) => ({ ...job, ...part, trace, checks, check, ...(vmpte !== undefined && { vmpte }) })),
    ...all.filter(({ policy }) => policy !== strongest).map((job) => ({ ...job, ...part, trace })),
  ];
  const results = await runObserved(jobs, flags);
  const report = await reportOf(columnsOf(results), jobs.slice(results.length).map(nameOf), pricing);
  if (flags.json === true) printJson(recording === undefined ? report : { ...report, recording: recording.report });
  else {
    const command = checks.includes("kunit") ? "run" : "replay";
    const more = moreOf({ command, trace, flags, kept: recording?.kept ?? true }, report);
    print(textOf(report, styleFor(process.stdout), process.stdout.isTTY ? process.stdout.columns : undefined, more));
  }
  if (report.partial) return EXIT.INTERRUPTED;
  return report.arches.some((arch) => failuresOf(arch).length > 0) ? EXIT.FAILED : EXIT.GOOD;
}

/** Runs the jobs; with `--trace-out` they write their timelines to the file. */
async function runObserved(jobs: readonly Job[], flags: ReplayFlags): Promise<JobResult[]> {
  const options = { ...flags, interruptible: true };
  const { traceOut } = flags;
  if (traceOut === undefined) return runAll(jobs, options);
  const output = createOutput(traceOut);
  try {
    const results = await runAll(
      jobs.map((job, place) => ({ ...job, timeline: { file: output.file, path: traceOut, place } })),
      options,
    );
    output.commit();
    return results;
  } finally {
    output.discard();
  }
}
