import type { Machine } from "@kpkeys/kernel";
import type { Recording } from "../reader/recording.js";
import { replayTrace } from "../replay/replay.js";
import type { ReplayOptions, ReplayResult } from "../replay/replay.js";
import { readTraceAhead } from "./read-ahead.js";
import { readTrace } from "./read-trace.js";
import { readVmpte } from "./vmpte-file.js";

/** How the file of a trace is replayed. */
export interface ReplayFileOptions extends Omit<ReplayOptions, "vmpte"> {
  /** A VmPTE file to hold the result against, after the replay. */
  readonly vmpte?: string;
  /**
   * Whether the trace is read in a separate thread, for a computer with a processor to spare; default false. Ignored if only a part of
   * the trace is replayed.
   */
  readonly ahead?: boolean;
}

/**
 * {@link replayTrace} of a file.
 *
 * @param machine - a booted machine; the processes of the trace that do not end stay in it
 * @param path - the recording, as {@link readTrace} takes it
 * @param options - how
 * @returns the counts of the replay
 * @throws KpkeysError what {@link replayTrace} throws; ERR_VMPTE_LINE, before the replay
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
