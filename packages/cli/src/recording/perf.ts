import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { KpkeysError } from "@kpkeys/core";
import { createOutput } from "../output.js";
import { ACCOUNT_SCRIPT } from "../package-files.js";
import type { ChosenEvents } from "./events.js";
import { canRun, endOf, runCommand } from "./process.js";
import type { Ended } from "./process.js";
import { shellOf } from "./shell.js";

/** Ring buffer of each CPU in pages: 8 MiB, so that perf loses few events. */
const BUFFER_PAGES = 2048;

/** The files of a recording. */
export interface RecordingFiles {
  /** The perf.data file. */
  readonly data: string;
  /** The text that `perf script` prints. */
  readonly text: string;
  /** The kernel's account of each process; none is written if left out. */
  readonly account?: string;
  /** Processes whose account could not be read. */
  readonly unread: string;
}

/** The commands that record a workload. */
export interface Recording {
  /** The workload and its arguments. */
  readonly command: readonly string[];
  /** The command that writes perf.data. */
  readonly record: readonly string[];
  /** The command that prints perf.data as text. */
  readonly script: readonly string[];
  /** The files that they write. */
  readonly files: RecordingFiles;
}

/**
 * Returns the commands that record a workload.
 * @param command - the workload and its arguments
 * @param files - the files to write
 * @param chosen - the events
 */
export function recordingOf(command: readonly string[], files: RecordingFiles, chosen: ChosenEvents): Recording {
  const { events, sampled } = chosen;
  const { data, account, unread } = files;
  // Record every fault (-c 1), with the address of the access (-d).
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

/** The result of a recording. */
export interface Recorded extends Ended {
  /** Processes in the kernel's account; `null` when no account was written. */
  readonly account: {
    /** Processes that ended by exit() and are in the account. */
    readonly processes: number;
    /** Processes that could not be read. */
    readonly unread: number;
  } | null;
}

/**
 * Records a workload. Its output and perf's go to stderr.
 * @param recording - the commands
 * @returns how the workload ended; perf ends in the same way
 * @throws KpkeysError ERR_RECORD when the workload cannot be run, there is no perf, or it may not record; ERR_OUTPUT
 */
export async function runRecording(recording: Recording): Promise<Recorded> {
  const { command, record, script, files } = recording;
  for (const program of ["perf", ...(files.account === undefined ? [] : ["perl"])]) {
    if (!canRun(program)) throw notRecorded(`${program} is not on the PATH`, command);
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
    expected: "a program and its arguments after --",
  });
}

function notRecorded(what: string, command: readonly string[]): KpkeysError {
  const file = "recording.strace.txt";
  const strace = shellOf(["strace", "-f", "-ttt", "-e", "trace=%memory,%process", "-o", file, ...command]);
  return new KpkeysError("ERR_RECORD", what, {
    where: "record",
    expected: `perf (package linux-perf or linux-tools) with root, or with CAP_PERFMON and a readable tracefs; or, without page faults: ${strace} && kpkeys run ${file}`,
  });
}
