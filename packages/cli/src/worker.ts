import { parentPort, workerData } from "node:worker_threads";
import { runJob } from "./job.js";
import type { Job, JobResult } from "./job.js";

/** What a worker tells the thread that started it. An error goes as plain data: its class would not survive the way. */
export type WorkerMessage =
  | {
      /** How far the trace is read. */
      readonly progress: readonly [read: number, size: number];
    }
  | {
      /** The job is done. */
      readonly result: JobResult;
    }
  | {
      /** The job failed as it is meant to fail: a code of `ERROR_CODES` and its message. */
      readonly failure: { readonly code: string; readonly message: string };
    };

const post = (message: WorkerMessage): void => parentPort?.postMessage(message);

try {
  const result = await runJob(workerData as Job, (...progress) => {
    post({ progress });
  });
  post({ result });
} catch (error) {
  const { KpkeysError } = await import("@kpkeys/core");
  if (!(error instanceof KpkeysError)) throw error;
  post({ failure: { code: error.code, message: error.message } });
}
