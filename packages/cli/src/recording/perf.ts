import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { KpkeysError } from "@kpkeys/core";
import { createOutput } from "../output.js";
import { ACCOUNT_SCRIPT } from "../package-files.js";
import type { ChosenEvents } from "./events.js";
import { canRun, endOf, runCommand } from "./process.js";
import type { Ended } from "./process.js";
import { shellOf } from "./shell.js";

/** Buffer of each CPU in pages: 8 MiB, so that little is lost. */
const BUFFER_PAGES = 2048;

/** Where the parts of a recording go. */
export interface RecordingFiles {
  /** perf's own file. */
  readonly data: string;
  /** Its text. */
  readonly text: string;
  /** The kernel's own account of each process; none is kept if left out. */
  readonly account?: string;
  /** Processes of which it could not be read. */
  readonly unread: string;
}

/** The commands that record a workload. */
export interface Recording {
  /** The workload and its arguments. */
  readonly command: readonly string[];
  /** Records, into perf's own file. */
  readonly record: readonly string[];
  /** Turns that into text, on stdout. */
  readonly script: readonly string[];
  /** Where the parts go. */
  readonly files: RecordingFiles;
}

/**
 * Says how a workload is recorded.
 * @param command - the workload and its arguments
 * @param files - where the parts go
 * @param chosen - the events
 */
export function recordingOf(command: readonly string[], files: RecordingFiles, chosen: ChosenEvents): Recording {
  const { events, sampled } = chosen;
  const { data, account, unread } = files;
  // Of a sample each is wanted, with the address of the access.
  const sampling = sampled ? ["-c", "1", "-d"] : [];
  const perf = ["perf", "record", "-m", String(BUFFER_PAGES), ...sampling, "-o", data];
  const tracer = account === undefined ? [] : ["perl", ACCOUNT_SCRIPT, account, unread];
  return {
    command,
    record: [...tracer, ...perf, "-e", events.join(","), "--", ...command],
    script: ["perf", "script", ...(sampled ? ["-F", "+addr"] : []), "-i", data],
    files,
  };
}

/** What a recording came to. */
export interface Recorded extends Ended {
  /** Processes in the kernel's own account; `null` when none was kept. */
  readonly account: {
    /** Processes that ended by exit() and are in it. */
    readonly processes: number;
    /** Processes that could not be read. */
    readonly unread: number;
  } | null;
}

/**
 * Records a workload. What it prints goes to stderr, with what perf says.
 * @param recording - the commands
 * @returns how the workload ended, which is how perf ends
 * @throws KpkeysError ERR_RECORD when the workload cannot be run, there is no perf, or it may not record; ERR_OUTPUT
 */
export async function runRecording(recording: Recording): Promise<Recorded> {
  const { command, record, script, files } = recording;
  for (const program of ["perf", ...(files.account === undefined ? [] : ["perl"])]) {
    if (!canRun(program)) throw notRecorded(`there is no ${program} on the PATH`, command);
  }
  if (!canRun(command[0]!)) throw noWorkload(command[0]!);
  const ended = await start(record, 2, command);
  if (!existsSync(files.data)) throw notRecorded(`perf recorded nothing (${endOf(ended)})`, command);
  const output = createOutput(files.text);
  try {
    const out = openSync(output.file, "w");
    const scripted = await start(script, out, command).finally(() => {
      closeSync(out);
    });
    if (scripted.exitStatus !== 0) throw notRecorded(`perf script ended with ${endOf(scripted)}`, command);
    output.commit();
  } finally {
    output.discard();
  }
  const { account, unread } = files;
  return {
    ...ended,
    account: account === undefined ? null : { processes: linesOf(account), unread: linesOf(unread) },
  };
}

function linesOf(path: string): number {
  return readFileSync(path, "utf8").split("\n").length - 1;
}

async function start(words: readonly string[], stdout: number, command: readonly string[]): Promise<Ended> {
  try {
    return await runCommand(words, stdout);
  } catch (cause) {
    throw notRecorded(
      `${words[0]!} cannot be run (${cause instanceof Error ? cause.message : String(cause)})`,
      command,
    );
  }
}

function noWorkload(program: string): KpkeysError {
  return new KpkeysError("ERR_RECORD", `${program} cannot be run`, {
    where: "record",
    expected: "a program, and its arguments, behind --",
  });
}

function notRecorded(what: string, command: readonly string[]): KpkeysError {
  const file = "recording.strace.txt";
  const strace = shellOf(["strace", "-f", "-ttt", "-e", "trace=%memory,%process", "-o", file, ...command]);
  return new KpkeysError("ERR_RECORD", what, {
    where: "record",
    expected: `perf (package linux-perf or linux-tools) and root, or CAP_PERFMON and a tracefs that can be read; or, without page faults: ${strace} && kpkeys run ${file}`,
  });
}
