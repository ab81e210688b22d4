import { parentPort, workerData } from "node:worker_threads";
import { isRequested } from "./interruption.js";
import { runJob } from "./job.js";
import { shareCopies } from "./plugins/shared-copies.js";
import type { Job, JobResult } from "./job.js";

/** The data that a worker is started with. */
export interface WorkerData {
  /** Its job. */
  readonly job: Job;
  /** The flag of an interruption, which ends the replay early; none if left out. */
  readonly interruption: Int32Array | undefined;
  /** Whether the recording is read in a separate thread. */
  readonly ahead: boolean;
}

/** A message from a worker to the thread that started it. Errors are sent as "error" events, with code and message. */
export type WorkerMessage =
  | {
      /** The progress of the replay. */
      readonly progress: readonly [share: number, events: number];
    }
  | {
      /** The result of the job. */
      readonly result: JobResult;
    };

const post = (message: WorkerMessage): void => parentPort?.postMessage(message);

const { job, interruption, ahead } = workerData as WorkerData;
if (job.plugins.some(({ module }) => module.startsWith("file:"))) await shareCopies();
const result = await runJob(job, {
  ahead,
  onProgress(...progress) {
    post({ progress });
  },
  ...(interruption !== undefined && { stop: () => isRequested(interruption) }),
});
post({ result });
