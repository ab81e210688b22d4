import { parentPort, workerData } from "node:worker_threads";
import { isAsked } from "./interruption.js";
import { runJob } from "./job.js";
import { shareCopies } from "./plugins/shared-copies.js";
import type { Job, JobResult } from "./job.js";

/** What a worker is started with. */
export interface WorkerData {
  /** What it does. */
  readonly job: Job;
  /** The flag of an interruption, which ends its replay early; none if left out. */
  readonly interruption: Int32Array | undefined;
  /** Whether its recording is read in a thread of its own. */
  readonly ahead: boolean;
}

/** What a worker tells the thread that started it. What it throws goes there too, with its code and message. */
export type WorkerMessage =
  | {
      /** How far the replay is. */
      readonly progress: readonly [share: number, events: number];
    }
  | {
      /** The job is done. */
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
  ...(interruption !== undefined && { stop: () => isAsked(interruption) }),
});
post({ result });
