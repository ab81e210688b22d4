import { Worker } from "node:worker_threads";
import { KpkeysError } from "@kpkeys/core";
import { BATCHES, type ReaderData, type ReaderMessage, type ReadOrder, STOPPED, DELIVERED } from "./ahead-protocol.js";
import { TraceEvent } from "../reader/event.js";
import { EventBatch } from "./event-batch.js";
import { type ReadTraceOptions, type TraceSummary } from "../reader/trace-reader.js";
import { READER_THREAD } from "../package-files.js";

/** A reader thread and the memory shared with it. */
interface ReaderThread {
  readonly worker: Worker;
  readonly control: Int32Array;
  readonly batches: readonly EventBatch[];
}

/** The heap of a reader thread in MiB (docs/performance.md, "Memory"). */
const HEAP = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 128 } as const;

/** An idle thread, kept because starting one takes as long as reading a short recording. */
let idle: ReaderThread | undefined;

/**
 * {@link readTrace} in a separate thread, a few thousand events ahead of the sink. Use it if a processor is idle while the sink runs.
 * The events, their order and the errors are the same. With `enough`, the summary also counts the lines that were read ahead of the
 * last event, and a damaged line among them is an error.
 *
 * @param path - the file
 * @param sink - called for each event in order. The record is reused: copy the fields needed and keep no reference.
 * @param options - progress, lost events, and when to stop
 * @returns the summary of the trace
 * @throws KpkeysError the errors of {@link readTrace}. An error that the sink throws is passed on.
 */
export async function readTraceAhead(
  path: string,
  sink: (event: TraceEvent) => void,
  options: ReadTraceOptions = {},
): Promise<TraceSummary> {
  const thread = idle ?? start();
  idle = undefined;
  const { worker } = thread;
  worker.ref();
  try {
    const summary = await readIn(thread, path, sink, options);
    keep(thread);
    return summary;
  } catch (error) {
    await worker.terminate();
    throw error;
  }
}

function start(): ReaderThread {
  const control = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  const batches = Array.from({ length: BATCHES }, () => new EventBatch());
  const workerData: ReaderData = { control, buffers: batches.map(({ buffer }) => buffer) };
  // No flags of this process: an import condition such as `@kpkeys/source` would make the thread load sources.
  const worker = new Worker(READER_THREAD, {
    workerData,
    execArgv: [],
    resourceLimits: HEAP,
  });
  return { worker, control, batches };
}

/** Keeps a thread for the next recording. The thread does not keep the process alive. */
function keep(thread: ReaderThread): void {
  if (idle !== undefined) void thread.worker.terminate();
  else {
    thread.worker.unref();
    idle = thread;
  }
}

function readIn(
  { worker, control, batches }: ReaderThread,
  path: string,
  sink: (event: TraceEvent) => void,
  { onProgress, onLost = () => undefined, enough }: ReadTraceOptions,
): Promise<TraceSummary> {
  const event = new TraceEvent();
  const receiver = { sink, onLost, enough };
  let delivered = 0;
  let over = false;
  const { promise, resolve, reject } = deferred<TraceSummary>();

  function consume([count, consumed, size]: readonly [number, number, number]): void {
    if (!over) {
      over = batches[delivered % BATCHES]!.deliver(count, event, receiver) || (count === 0 && enough?.() === true);
      if (over) Atomics.store(control, STOPPED, 1);
      if (consumed > 0) onProgress?.(consumed, size);
    }
    Atomics.store(control, DELIVERED, ++delivered);
    Atomics.notify(control, DELIVERED);
  }

  function onMessage(message: ReaderMessage): void {
    try {
      if ("batch" in message) consume(message.batch);
      else if ("summary" in message) resolve(message.summary);
      else reject(errorOf(message.error));
    } catch (error) {
      reject(error);
    }
  }

  function onExit(): void {
    reject(new Error("the reader thread ended before the end of the recording"));
  }

  worker.on("message", onMessage).on("error", reject).on("exit", onExit);
  Atomics.store(control, DELIVERED, 0);
  Atomics.store(control, STOPPED, 0);
  worker.postMessage({ path } satisfies ReadOrder);
  return promise.finally(() => worker.off("message", onMessage).off("error", reject).off("exit", onExit));
}

/** Promise.withResolvers, which Node.js 20 does not have. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (reason: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** The error of the reader thread, rebuilt from its message. */
function errorOf({ code, message, where }: Extract<ReaderMessage, { error: object }>["error"]): KpkeysError {
  const place = where === undefined ? "" : `${where}: `;
  return new KpkeysError(code, message.slice(place.length), where === undefined ? {} : { where });
}
