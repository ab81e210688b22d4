import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Job, JobResult } from "./job.js";
import type { WorkerMessage } from "./worker.js";

/** Called with a job's place in the list, bytes of its trace read so far, and the trace's size in bytes. */
export type ProgressListener = (index: number, read: number, size: number) => void;

/** A job in a worker. */
interface Running {
  readonly result: Promise<JobResult>;
  readonly stop: () => void;
}

/**
 * Does jobs, each in a fresh worker, as many at once as the machine has processors. Neither results nor errors depend on
 * which job is done first.
 *
 * @param jobs - what to do
 * @param onProgress - told how far each is
 * @returns the results, in the order of the jobs
 * @throws what the first job in the list that failed threw; jobs behind it are stopped
 */
export async function runJobs(jobs: readonly Job[], onProgress: ProgressListener): Promise<JobResult[]> {
  const results: JobResult[] = [];
  const running = new Map<number, Running>();
  let next = 0;
  let failed = jobs.length;
  let error: unknown;

  async function serve(): Promise<void> {
    while (next < failed) {
      const index = next++;
      const run = start(jobs[index]!, (read, size) => {
        onProgress(index, read, size);
      });
      running.set(index, run);
      try {
        results[index] = await run.result;
      } catch (reason) {
        if (index >= failed) continue;
        failed = index;
        error = reason;
        for (const [other, { stop }] of running) if (other > index) stop();
      } finally {
        running.delete(index);
      }
    }
  }

  const lanes = Math.min(jobs.length, availableParallelism());
  await Promise.all(Array.from({ length: lanes }, serve));
  if (failed < jobs.length) throw error;
  return results;
}

function start(job: Job, onProgress: (read: number, size: number) => void): Running {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: job });
  const result = new Promise<JobResult>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if ("progress" in message) onProgress(...message.progress);
      else resolve(message.result);
    });
    worker.on("error", reject);
    worker.on("exit", () => {
      reject(new Error("a worker ended without a result"));
    });
  });
  return { result, stop: () => void worker.terminate() };
}
