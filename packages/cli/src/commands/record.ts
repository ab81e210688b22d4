import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outputFailure } from "@kpkeys/core";
import { tracepointNames } from "@kpkeys/workloads";
import { beforeEnd } from "../ending.js";
import type { ReplayFlags } from "../options.js";
import { rejectSameFile } from "../output.js";
import { chooseEvents, TRACEFS, tracepointsIn } from "../recording/events.js";
import type { ChosenEvents } from "../recording/events.js";
import { recordingOf, runRecording } from "../recording/perf.js";
import type { Recorded, Recording, RecordingFiles } from "../recording/perf.js";
import { endOf } from "../recording/process.js";
import { shellOf } from "../recording/shell.js";
import { print } from "./print.js";
import { run } from "./replay.js";

/** The flags of `kpkeys record`. */
export type RecordFlags = ReplayFlags & {
  /** The file to keep the recording in; it is deleted after the report if left out. */
  readonly output?: string;
  /** Whether the kernel's own account of each process is recorded and compared. */
  readonly account?: true;
};

/**
 * `kpkeys record`: prints the perf commands, records a workload with them and replays the recording.
 * @param command - the workload and its arguments
 * @param flags - the command line's
 * @returns the exit status: the report's
 * @throws KpkeysError ERR_RECORD when there is no perf or it may not record, after the commands were printed; ERR_OUTPUT
 */
export async function record(command: readonly string[], flags: RecordFlags): Promise<number> {
  const folder = temporaryFolder();
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true });
  };
  const forget = beforeEnd(remove);
  try {
    const chosen = chooseEvents(tracepointNames, process.arch, tracepointsIn(TRACEFS));
    const recording = recordingOf(command, filesIn(folder, flags), chosen);
    if (flags.json !== true) print(describe(recording, chosen));
    const recorded = await runRecording(recording);
    if (flags.json !== true) print(`${summaryOf(recorded)}\n`);
    return await report(recording, chosen, recorded, flags);
  } finally {
    remove();
    forget();
  }
}

function temporaryFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), "kpkeys-record-"));
  } catch (cause) {
    throw outputFailure(tmpdir(), cause, "a writable folder in TMPDIR");
  }
}

/** The files of the recording; with `--output` the text has that name, and the account is next to it. */
function filesIn(folder: string, { output, account }: RecordFlags): RecordingFiles {
  const text = output ?? join(folder, "recording.perf-script.txt");
  const accountFile = `${text.replace(/(\.perf-script)?(\.txt)?$/, "")}.vmpte.txt`;
  if (output !== undefined && account === true) rejectSameFile([accountFile], [output]);
  return {
    data: join(folder, "perf.data"),
    text,
    unread: join(folder, "unread.txt"),
    ...(account === true && { account: accountFile }),
  };
}

/** The commands, and the events that they do not record. */
function describe({ record: words, script, files }: Recording, { leftOut }: ChosenEvents): string {
  const missing = leftOut.map(({ events, why }) => `not recorded: ${events.join(" ")}: ${why}\n`).join("");
  return `${missing}${shellOf(words)}\n${shellOf(script)} > ${shellOf([files.text])}\n\n`;
}

/** How the workload ended, and the size of the account. */
function summaryOf({ account, ...ended }: Recorded): string {
  const end = `the workload ended with ${endOf(ended)}\n`;
  if (account === null) return end;
  const unread = account.unread === 0 ? "" : `; ${account.unread} could not be read`;
  return `${end}the kernel's own account: ${account.processes} processes that ended by exit()${unread}\n`;
}

function report(
  { command, files }: Recording,
  { events, leftOut }: ChosenEvents,
  recorded: Recorded,
  flags: RecordFlags,
): Promise<number> {
  const compared = files.account !== undefined && recorded.account!.processes > 0 ? { vmpte: files.account } : {};
  const recording = { report: { command, events, leftOut, ...recorded }, kept: flags.output !== undefined };
  return run(files.text, { ...flags, ...compared }, recording);
}
