import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { KpkeysError } from "@kpkeys/core";
import { isAsked } from "./interruption.js";
import type { Job, JobResult } from "./job.js";
import { WORKER } from "./package-files.js";
import type { ProgressListener } from "./progress.js";
import type { WorkerData, WorkerMessage } from "./worker.js";

/** How jobs are done. */
export interface PoolOptions {
  /** Told how far each is. */
  readonly onProgress: ProgressListener;
  /** How many at once, 1 or more; as many as the computer has processors if left out. */
  readonly workers?: number;
  /** The flag of an interruption: once it is raised, jobs that run come to an early end, and no further one is begun. */
  readonly interruption?: Int32Array;
}

/**
 * A worker's heap in MiB (docs/performance.md, "Memory"). A machine's RAM is outside the heap, and a replay needs about ten MiB.
 * The old generation is for a million processes that live at once.
 */
const HEAP = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 1024 } as const;

/** A job in a worker. */
interface Running {
  readonly result: Promise<JobResult>;
  readonly stop: () => void;
}

/**
 * Does jobs, each in a fresh worker; a single one that replays nothing, here. Neither results nor errors depend on which job is done first, or on how many are done at
 * once.
 *
 * @param jobs - what to do
 * @param options - how
 * @returns the results in the order of the jobs, without those that were not begun
 * @throws what the first job in the list that failed threw; jobs behind it are stopped
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
  /** With a processor to spare, recordings are read in threads of their own. */
  const ahead = lanes < availableParallelism();
  let next = 0;
  let failed = jobs.length;
  let error: unknown;

  async function serve(): Promise<void> {
    while (next < failed && (interruption === undefined || !isAsked(interruption))) {
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
  return new KpkeysError("ERR_OUT_OF_MEMORY", `a worker has used up its ${HEAP.maxOldGenerationSizeMb} MiB of heap`, {
    expected: "fewer processes alive at once",
    cause,
  });
}
