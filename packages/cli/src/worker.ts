import { parentPort, workerData } from "node:worker_threads";
import { runJob } from "./job.js";
import type { Job, JobResult } from "./job.js";

/** What a worker tells the thread that started it. What it throws goes there too, with its code and message. */
export type WorkerMessage =
  | {
      /** How far the trace is read. */
      readonly progress: readonly [read: number, size: number];
    }
  | {
      /** The job is done. */
      readonly result: JobResult;
    };

const post = (message: WorkerMessage): void => parentPort?.postMessage(message);

const result = await runJob(workerData as Job, (...progress) => {
  post({ progress });
});
post({ result });
