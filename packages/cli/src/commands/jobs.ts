import { statSync } from "node:fs";
import { KpkeysError } from "@kpkeys/core";
import type { Job, JobResult } from "../job.js";
import { runJobs } from "../pool.js";
import { createProgress } from "../progress.js";

/**
 * Does a command's jobs, with a progress bar if they replay something.
 * @param jobs - the jobs, which replay the same recording or none
 * @returns the results, in the order of the jobs
 * @throws KpkeysError what a job throws; ERR_INPUT_KIND for a pipe that several would have to read
 */
export async function doJobs(jobs: readonly Job[]): Promise<JobResult[]> {
  const trace = jobs[0]?.trace;
  if (trace !== undefined && jobs.length > 1 && isPipe(trace)) {
    throw new KpkeysError("ERR_INPUT_KIND", "this is a pipe", {
      where: trace,
      expected: `a file: it is read ${jobs.length} times, once for each architecture, series and policy`,
    });
  }
  const progress = createProgress(trace === undefined ? 0 : jobs.length);
  try {
    return await runJobs(jobs, progress.update);
  } finally {
    progress.stop();
  }
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
