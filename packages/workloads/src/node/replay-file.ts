import type { Machine } from "@kpkeys/kernel";
import type { Recording } from "../reader/recording.js";
import { replayTrace } from "../replay/replay.js";
import type { ReplayOptions, ReplayResult } from "../replay/replay.js";
import { readTraceAhead } from "./read-ahead.js";
import { readTrace } from "./read-trace.js";
import { readVmpte } from "./vmpte-file.js";

/** Options of {@link replayFile}. */
export interface ReplayFileOptions extends Omit<ReplayOptions, "vmpte"> {
  /** A VmPTE file to compare the result with. */
  readonly vmpte?: string;
  /** Whether a separate thread reads the trace; false if left out. Ignored with `until`. */
  readonly ahead?: boolean;
}

/**
 * Replays a recording in a file: {@link replayTrace} with the file's events.
 *
 * @param machine - a booted machine. Processes that do not end in the trace stay alive in it.
 * @param path - the recording, in any form that {@link readTrace} reads
 * @param options - extent, checks and comparison
 * @returns the result of the replay
 * @throws KpkeysError the errors of {@link replayTrace}; ERR_VMPTE_LINE before the replay begins
 */
export async function replayFile(
  machine: Machine,
  path: string,
  { vmpte, ahead, ...options }: ReplayFileOptions = {},
): Promise<ReplayResult> {
  const read = ahead === true && options.until === undefined ? readTraceAhead : readTrace;
  const recording: Recording = { where: path, read: (sink, how) => read(path, sink, how) };
  return replayTrace(machine, recording, { ...options, ...(vmpte !== undefined && { vmpte: readVmpte(vmpte) }) });
}
