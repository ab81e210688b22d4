import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tracepointNames } from "@kpkeys/workloads";
import { recordingOf, runRecording } from "../recording.js";
import { print } from "./print.js";
import { run } from "./run.js";
import type { ReplayFlags } from "./replay.js";

/** The flags of `kpkeys record`. */
export type RecordFlags = ReplayFlags & {
  /** Where the recording's text is kept; deleted after the report if left out. */
  readonly output?: string;
};

/**
 * `kpkeys record`: says how a workload is recorded, records it and replays it.
 * @param command - the workload and its arguments
 * @param flags - the command line's
 * @returns the exit status
 * @throws KpkeysError ERR_RECORD when there is no perf or it may not record, after the commands have been printed
 */
export async function record(command: readonly string[], flags: RecordFlags): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "kpkeys-record-"));
  const data = join(folder, "perf.data");
  const text = flags.output ?? join(folder, "recording.perf-script.txt");
  try {
    const recording = recordingOf(command, data, tracepointNames);
    if (flags.json !== true) print(`${shellOf(recording.record)}\n${shellOf(recording.script)} > ${quote(text)}\n\n`);
    await runRecording(recording, data, text);
    return await run(text, flags);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A command as a shell takes it. */
function shellOf(words: readonly string[]): string {
  return words.map(quote).join(" ");
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
