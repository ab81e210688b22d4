import { statSync } from "node:fs";
import { KpkeysError, readConfig } from "@kpkeys/core";
import type { Job, JobResult } from "../job.js";
import { createInterruption } from "../interruption.js";
import { runJobs } from "../pool.js";
import { createProgress } from "../progress.js";

/** How a command's jobs are done. */
export interface JobOptions {
  /** A file of `.config` lines for all their machines; none if left out. */
  readonly config?: string | undefined;
  /** Config symbols that are on unless the file says otherwise. */
  readonly symbols?: readonly string[];
  /** How many at once; as many as there are processors if left out. */
  readonly workers?: number | undefined;
  /** Whether the first Ctrl-C only ends them early. */
  readonly interruptible?: boolean;
}

/**
 * Does a command's jobs, with a progress bar if they replay something.
 * @param jobs - the jobs, which replay the same recording or none
 * @param options - how
 * @returns the results in the order of the jobs; without those that an interruption kept from being begun
 * @throws KpkeysError what a job throws; ERR_INPUT_MISSING, ERR_CONFIG_LINE for the config; ERR_INPUT_KIND for a pipe that several would have to read
 */
export async function doJobs(jobs: readonly Job[], options: JobOptions): Promise<JobResult[]> {
  const { config, symbols = [], workers, interruptible = false } = options;
  const trace = jobs[0]?.trace;
  if (trace !== undefined && jobs.length > 1 && isPipe(trace)) {
    throw new KpkeysError("ERR_INPUT_KIND", "this is a pipe", {
      where: trace,
      expected: `a file: it is read ${jobs.length} times, once for each architecture, series and policy`,
    });
  }
  const label = { doing: "replaying", items: "events" };
  const progress = await createProgress(trace === undefined ? 0 : jobs.length, label);
  const interruption = interruptible
    ? createInterruption(() => {
        progress.say("stopping (Ctrl-C again ends at once)");
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

/** What is said of symbols stands behind the file's lines, so that errors name the numbers of those. */
async function configured(
  jobs: readonly Job[],
  path: string | undefined,
  symbols: readonly string[],
): Promise<readonly Job[]> {
  if (path === undefined && symbols.length === 0) return jobs;
  const lines = path === undefined ? [] : await linesOf(path);
  const said = readConfig(lines, path);
  const unsaid = symbols.filter((symbol) => !said.has(symbol));
  const config = [...lines, ...unsaid.map((symbol) => `CONFIG_${symbol}=y`)];
  return jobs.map((job) => ({ ...job, spec: { ...job.spec, config } }));
}

async function linesOf(path: string): Promise<string[]> {
  const { readSmallText } = await import("@kpkeys/workloads/node");
  return readSmallText(path, "a kernel's .config, plain or gzip").split("\n");
}

/** Whatever else may be wrong with the file, its reader tells. */
function isPipe(path: string): boolean {
  try {
    const stats = statSync(path);
    return stats.isFIFO() || stats.isSocket();
  } catch {
    return false;
  }
}
