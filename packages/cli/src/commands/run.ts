import { embeddedTrace } from "@kpkeys/workloads/node";
import type { Check } from "../job.js";
import { reportReplay } from "./replay.js";
import type { ReplayFlags } from "../replay-flags.js";
import type { OwnRecording } from "./replay.js";

const CHECKS: readonly Check[] = ["coverage", "attack", "kunit"];

/**
 * `kpkeys run`: replays a workload and checks everything.
 * @param trace - the recording; the embedded one, with what Linux said of it, if left out
 * @param flags - the command line's
 * @param recording - how it was recorded, if the same command did that
 * @returns the exit status
 */
export async function run(trace: string | undefined, flags: ReplayFlags, recording?: OwnRecording): Promise<number> {
  if (trace !== undefined) return reportReplay(trace, flags, CHECKS, recording);
  return reportReplay(embeddedTrace.trace, { vmpte: embeddedTrace.vmpte, ...flags }, CHECKS);
}
