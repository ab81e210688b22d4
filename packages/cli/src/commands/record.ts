import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { outputFailure } from "@kpkeys/core";
import { tracepointNames } from "@kpkeys/workloads";
import { beforeEnd } from "../ending.js";
import { refuseSameFile } from "../output.js";
import { chooseEvents, TRACEFS, tracepointsIn } from "../recording/events.js";
import type { ChosenEvents } from "../recording/events.js";
import { recordingOf, runRecording } from "../recording/perf.js";
import type { Recorded, Recording, RecordingFiles } from "../recording/perf.js";
import { endOf } from "../recording/process.js";
import { shellOf } from "../recording/shell.js";
import { print } from "./print.js";
import type { ReplayFlags } from "../replay-flags.js";
import { run } from "./run.js";

/** The flags of `kpkeys record`. */
export type RecordFlags = ReplayFlags & {
  /** Where the recording's text is kept; deleted after the report if left out. */
  readonly output?: string;
  /** Whether the kernel's own account of each process is recorded and compared. */
  readonly account?: true;
};

/**
 * `kpkeys record`: says how a workload is recorded, records it and replays it.
 * @param command - the workload and its arguments
 * @param flags - the command line's
 * @returns the exit status: the report's
 * @throws KpkeysError ERR_RECORD when there is no perf or it may not record, after the commands have been printed; ERR_OUTPUT
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
    if (flags.json !== true) print(`${toldOf(recorded)}\n`);
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
    throw outputFailure(tmpdir(), cause, "a folder for temporary files, which TMPDIR names");
  }
}

/** Where the parts of the recording go: what is kept has the name that was asked for. */
function filesIn(folder: string, { output, account }: RecordFlags): RecordingFiles {
  const text = output ?? join(folder, "recording.perf-script.txt");
  const accountFile = `${text.replace(/(\.perf-script)?(\.txt)?$/, "")}.vmpte.txt`;
  if (output !== undefined && account === true) refuseSameFile([accountFile], [output]);
  return {
    data: join(folder, "perf.data"),
    text,
    unread: join(folder, "unread.txt"),
    ...(account === true && { account: accountFile }),
  };
}

/** The commands, and what they leave out. */
function describe({ record: words, script, files }: Recording, { leftOut }: ChosenEvents): string {
  const missing = leftOut.map(({ events, why }) => `left out: ${events.join(" ")}: ${why}\n`).join("");
  return `${missing}${shellOf(words)}\n${shellOf(script)} > ${shellOf([files.text])}\n\n`;
}

/** What came of the workload, in lines. */
function toldOf({ account, ...ended }: Recorded): string {
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
