import { Worker } from "node:worker_threads";
import { KpkeysError } from "@kpkeys/core";
import { BATCHES, type ReaderData, type ReaderMessage, type ReadOrder, STOPPED, TAKEN } from "./ahead-protocol.js";
import { TraceEvent } from "../reader/event.js";
import { EventBatch } from "./event-batch.js";
import { type ReadTraceOptions, type TraceSummary } from "../reader/trace-reader.js";
import { READER_THREAD } from "../package-files.js";

/** A thread that reads, and what it shares with this one. */
interface ReadingThread {
  readonly worker: Worker;
  readonly control: Int32Array;
  readonly batches: readonly EventBatch[];
}

/** The heap of a reading thread in MiB (docs/performance.md, "Memory"). */
const HEAP = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 128 } as const;

/** A thread that has nothing to do, kept because starting one takes as long as reading a short recording. */
let spare: ReadingThread | undefined;

/**
 * {@link readTrace} in a thread of its own, some thousand events ahead: for a computer that has a processor to spare while events are
 * taken. Events, their order and errors are the same. With `enough`, lines that were read ahead of the last event are in the counts of the
 * summary, and if one of them is damaged that is an error.
 *
 * @param path - the file
 * @param sink - takes each event in turn. The record is one for all: take from it what is needed and keep no reference.
 * @param options - how
 * @returns what was read
 * @throws KpkeysError as {@link readTrace} does; and whatever the sink throws
 */
export async function readTraceAhead(
  path: string,
  sink: (event: TraceEvent) => void,
  options: ReadTraceOptions = {},
): Promise<TraceSummary> {
  const thread = spare ?? start();
  spare = undefined;
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

function start(): ReadingThread {
  const control = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  const batches = Array.from({ length: BATCHES }, () => new EventBatch());
  const workerData: ReaderData = { control, buffers: batches.map(({ buffer }) => buffer) };
  // It needs none of this process's flags, and conditions of imports might lead it to sources.
  const worker = new Worker(READER_THREAD, {
    workerData,
    execArgv: [],
    resourceLimits: HEAP,
  });
  return { worker, control, batches };
}

/** Keeps a thread for the next reading, without its keeping the process alive. */
function keep(thread: ReadingThread): void {
  if (spare !== undefined) void thread.worker.terminate();
  else {
    thread.worker.unref();
    spare = thread;
  }
}

function readIn(
  { worker, control, batches }: ReadingThread,
  path: string,
  sink: (event: TraceEvent) => void,
  { onProgress, onLost = () => undefined, enough }: ReadTraceOptions,
): Promise<TraceSummary> {
  const event = new TraceEvent();
  const taker = { sink, onLost, enough };
  let taken = 0;
  let over = false;
  const { promise, resolve, reject } = deferred<TraceSummary>();

  function take([count, consumed, size]: readonly [number, number, number]): void {
    if (!over) {
      over = batches[taken % BATCHES]!.deliver(count, event, taker) || (count === 0 && enough?.() === true);
      if (over) Atomics.store(control, STOPPED, 1);
      if (consumed > 0) onProgress?.(consumed, size);
    }
    Atomics.store(control, TAKEN, ++taken);
    Atomics.notify(control, TAKEN);
  }

  function hear(message: ReaderMessage): void {
    try {
      if ("batch" in message) take(message.batch);
      else if ("summary" in message) resolve(message.summary);
      else reject(asThrown(message.error));
    } catch (error) {
      reject(error);
    }
  }

  function end(): void {
    reject(new Error("the thread that read the recording ended"));
  }

  worker.on("message", hear).on("error", reject).on("exit", end);
  Atomics.store(control, TAKEN, 0);
  Atomics.store(control, STOPPED, 0);
  worker.postMessage({ path } satisfies ReadOrder);
  return promise.finally(() => worker.off("message", hear).off("error", reject).off("exit", end));
}

/** A promise that is settled from outside: Promise.withResolvers, which Node.js 20 does not have. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (reason: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** The error that the thread met, which has come here as data. */
function asThrown({ code, message, where }: Extract<ReaderMessage, { error: object }>["error"]): KpkeysError {
  const place = where === undefined ? "" : `${where}: `;
  return new KpkeysError(code, message.slice(place.length), where === undefined ? {} : { where });
}
