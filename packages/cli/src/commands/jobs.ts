import { statSync } from "node:fs";
import { KpkeysError, readConfig } from "@kpkeys/core";
import type { Job, JobResult } from "../job.js";
import { createInterruption } from "../interruption.js";
import { runJobs } from "../pool.js";
import { createProgress } from "../progress.js";

/** Options of the jobs of a command. */
export interface JobOptions {
  /** A `.config` file for all machines; none if left out. */
  readonly config?: string | undefined;
  /** Config symbols that are on unless the file sets them. */
  readonly symbols?: readonly string[];
  /** Jobs that run at the same time, 1 or more; one for each processor if left out. */
  readonly workers?: number | undefined;
  /** Whether the first Ctrl-C ends the replays early instead of ending the process. */
  readonly interruptible?: boolean;
}

/**
 * Runs the jobs of a command, with a progress bar if they replay a recording.
 * @param jobs - the jobs, which replay the same recording or none
 * @param options - the options
 * @returns the results in the order of the jobs, without the jobs that an interruption prevented from starting
 * @throws KpkeysError of a job; ERR_INPUT_MISSING, ERR_CONFIG_LINE for the config; ERR_INPUT_KIND for a pipe that several jobs would read
 */
export async function runAll(jobs: readonly Job[], options: JobOptions): Promise<JobResult[]> {
  const { config, symbols = [], workers, interruptible = false } = options;
  const trace = jobs[0]?.trace;
  if (trace !== undefined && jobs.length > 1 && isPipe(trace)) {
    throw new KpkeysError("ERR_INPUT_KIND", "this is a pipe", {
      where: trace,
      expected: `a file, because it is read ${jobs.length} times: once for each architecture, series and policy`,
    });
  }
  const label = { doing: "replaying", items: "events" };
  const progress = await createProgress(trace === undefined ? 0 : jobs.length, label);
  const interruption = interruptible
    ? createInterruption(() => {
        progress.relabel("stopping (Ctrl-C again ends at once)");
      })
    : undefined;
  try {
    return await runJobs(await configured(jobs, config, symbols), {
      onProgress: progress.update,
      ...(workers !== undefined && { workers }),
      ...(interruption !== undefined && { interruption: interruption.flag }),
    });
  } finally {
    interruption?.close();
    progress.stop();
  }
}

/** Appends the default symbols after the lines of the file, so that the line numbers in errors are those of the file. */
async function configured(
  jobs: readonly Job[],
  path: string | undefined,
  symbols: readonly string[],
): Promise<readonly Job[]> {
  if (path === undefined && symbols.length === 0) return jobs;
  const lines = path === undefined ? [] : await linesOf(path);
  const set = readConfig(lines, path);
  const defaults = symbols.filter((symbol) => !set.has(symbol));
  const config = [...lines, ...defaults.map((symbol) => `CONFIG_${symbol}=y`)];
  return jobs.map((job) => ({ ...job, spec: { ...job.spec, config } }));
}

async function linesOf(path: string): Promise<string[]> {
  const { readSmallText } = await import("@kpkeys/workloads/node");
  return readSmallText(path, "a kernel's .config, plain or gzip").split("\n");
}

/** Other problems of the file are reported when it is read. */
function isPipe(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isFIFO() || stats.isSocket();
  } catch {
    return false;
  }
}
