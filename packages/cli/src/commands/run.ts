import { embeddedTrace } from "@kpkeys/workloads";
import type { Check } from "../job.js";
import { reportReplay } from "./replay.js";
import type { ReplayFlags } from "./replay.js";

const CHECKS: readonly Check[] = ["coverage", "attack", "kunit"];

/**
 * `kpkeys run`: replays a workload and checks everything.
 * @param trace - the recording; the embedded one, with what Linux said of it, if left out
 * @param flags - the command line's
 * @returns the exit status
 */
export async function run(trace: string | undefined, flags: ReplayFlags): Promise<number> {
  return reportReplay(
    trace ?? embeddedTrace.trace,
    trace === undefined ? { ...embeddedTrace, ...flags } : flags,
    CHECKS,
  );
}
