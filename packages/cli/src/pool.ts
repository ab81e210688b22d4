import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { KpkeysError } from "@kpkeys/core";
import { isRequested } from "./interruption.js";
import type { Job, JobResult } from "./job.js";
import { WORKER } from "./package-files.js";
import type { ProgressListener } from "./progress.js";
import type { WorkerData, WorkerMessage } from "./worker.js";

/** Options of {@link runJobs}. */
export interface PoolOptions {
  /** Receives the progress of each job. */
  readonly onProgress: ProgressListener;
  /** Jobs that run at the same time, 1 or more; one for each processor if left out. */
  readonly workers?: number;
  /** The flag of an interruption: once it is set, running jobs end early and no further job starts. */
  readonly interruption?: Int32Array;
}

/**
 * A worker's heap in MiB (docs/performance.md, "Memory"). A machine's RAM is outside the heap, and a replay needs about ten MiB.
 * The old generation has space for a million live processes of the recording.
 */
const HEAP = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 1024 } as const;

/** A job in a worker. */
interface Running {
  readonly result: Promise<JobResult>;
  readonly stop: () => void;
}

/**
 * Runs each job in a new worker. A single job without a replay runs in this thread. Results and errors do not depend on the order in which
 * jobs end, or on the number of workers.
 *
 * @param jobs - the jobs
 * @param options - the options
 * @returns the results in the order of the jobs, without those that did not start
 * @throws the error of the first job in the list that failed; the jobs after it are stopped
 */
export async function runJobs(jobs: readonly Job[], options: PoolOptions): Promise<JobResult[]> {
  const { onProgress, workers = availableParallelism(), interruption } = options;
  const [only, second] = jobs;
  if (only !== undefined && second === undefined && only.trace === undefined) {
    const { runJob } = await import("./job.js");
    return [await runJob(only)];
  }
  const results: JobResult[] = [];
  const running = new Map<number, Running>();
  const lanes = Math.min(jobs.length, workers);
  /** With a spare processor, recordings are read in separate threads. */
  const ahead = lanes < availableParallelism();
  let next = 0;
  let failed = jobs.length;
  let error: unknown;

  async function serve(): Promise<void> {
    while (next < failed && (interruption === undefined || !isRequested(interruption))) {
      const index = next++;
      const run = start({ job: jobs[index]!, interruption, ahead }, (share, events) => {
        onProgress(index, share, events);
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

  await Promise.all(Array.from({ length: lanes }, serve));
  if (failed < jobs.length) throw error;
  return results;
}

function start(workerData: WorkerData, onProgress: (share: number, events: number) => void): Running {
  const worker = new Worker(WORKER, { workerData, resourceLimits: HEAP });
  const result = new Promise<JobResult>((resolve, reject) => {
    worker.on("message", (message: WorkerMessage) => {
      if ("progress" in message) onProgress(...message.progress);
      else resolve(message.result);
    });
    worker.on("error", (error: NodeJS.ErrnoException) => {
      reject(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? heapExhausted(error) : error);
    });
    worker.on("exit", () => {
      reject(new Error("a worker ended without a result"));
    });
  });
  return { result, stop: () => void worker.terminate() };
}

function heapExhausted(cause: Error): KpkeysError {
  return new KpkeysError("ERR_OUT_OF_MEMORY", `a worker used all ${HEAP.maxOldGenerationSizeMb} MiB of its heap`, {
    expected: "a recording with fewer processes alive at the same time, or --sample",
    cause,
  });
}
