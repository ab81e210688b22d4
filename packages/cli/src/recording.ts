import { spawn } from "node:child_process";
import { accessSync, constants, existsSync, openSync, closeSync } from "node:fs";
import { delimiter, join } from "node:path";
import { KpkeysError } from "@kpkeys/core";

/** Where the kernel shows its tracepoints. */
const TRACEFS = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];

/** Buffer of each CPU in pages: 8 MiB, so that little is lost. */
const BUFFER_PAGES = 2048;

/** The commands that record a workload. */
export interface Recording {
  /** Records, into perf's own file. */
  readonly record: readonly string[];
  /** Turns that into text, on stdout. */
  readonly script: readonly string[];
}

/**
 * Says how a workload is recorded.
 * @param command - the workload and its arguments
 * @param data - perf's own file
 * @param events - the tracepoints; those that this machine's kernel shows not to have are left out (arm64 has no fork and vfork)
 */
export function recordingOf(command: readonly string[], data: string, events: readonly string[]): Recording {
  const tracefs = TRACEFS.find((path) => existsSync(join(path, "sched")));
  const present = events.filter((event) => tracefs === undefined || existsSync(join(tracefs, event.replace(":", "/"))));
  return {
    record: ["perf", "record", "-m", String(BUFFER_PAGES), "-o", data, "-e", present.join(","), "--", ...command],
    script: ["perf", "script", "-i", data],
  };
}

/**
 * Records a workload. What it prints goes to stderr, with what perf says.
 * @param recording - the commands
 * @param data - perf's own file
 * @param text - where the text goes
 * @throws KpkeysError ERR_RECORD when there is no perf or it may not record
 */
export async function runRecording({ record, script }: Recording, data: string, text: string): Promise<void> {
  requirePerf();
  const status = await run(record, 2);
  // perf ends with the workload's status: what counts is whether it recorded.
  if (!existsSync(data)) throw notRecorded(`perf recorded nothing (exit status ${status})`);
  const out = openSync(text, "w");
  try {
    const scriptStatus = await run(script, out);
    if (scriptStatus !== 0) throw notRecorded(`perf script ended with status ${scriptStatus}`);
  } finally {
    closeSync(out);
  }
}

function requirePerf(): void {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  if (!folders.some((folder) => isExecutable(join(folder, "perf")))) throw notRecorded("there is no perf on the PATH");
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function notRecorded(what: string): KpkeysError {
  return new KpkeysError("ERR_RECORD", what, {
    where: "record",
    expected: "perf (package linux-perf or linux-tools) and root, or CAP_PERFMON and a tracefs that can be read",
  });
}

/** Runs a command; Ctrl-C is its own to handle. @returns its exit status */
async function run([program, ...args]: readonly string[], stdout: number): Promise<number> {
  const ignore = (): void => undefined;
  process.on("SIGINT", ignore);
  try {
    return await new Promise((resolve, reject) => {
      const child = spawn(program!, args, { stdio: ["inherit", stdout, "inherit"] });
      child.on("error", (cause) => {
        reject(notRecorded(`${program!} cannot be run (${cause.message})`));
      });
      child.on("close", (code) => {
        resolve(code ?? 1);
      });
    });
  } finally {
    process.off("SIGINT", ignore);
  }
}
