import { parentPort, workerData } from "node:worker_threads";
import { KpkeysError } from "@kpkeys/core";
import {
  BATCHES,
  type ReaderData,
  type ReaderMessage,
  type ReadOrder,
  STOPPED,
  DELIVERED,
} from "./node/ahead-protocol.js";
import { EventBatch } from "./node/event-batch.js";
import { openTrace } from "./node/trace-file.js";
import { readText } from "./reader/recording.js";
import { TRACE_TEXT } from "./reader/text-kind.js";

// The reader thread: it reads one recording at a time for the thread that replays.

/** Bytes unpacked at once: small blocks are garbage-collected sooner (docs/performance.md, "Memory"). */
const BLOCK = 32 << 10;

/** Blocks read without a full batch before a partial batch is sent. The receiver can then stop in a stretch without events. */
const QUIET_BLOCKS = 32;

/** Records in the first batch. Each later batch has twice as many, until a batch is full. */
const FIRST = 256;

const { control, buffers } = workerData as ReaderData;
const batches = buffers.map((buffer) => new EventBatch(buffer));
const post = (message: ReaderMessage): void => {
  parentPort!.postMessage(message);
};

async function read(path: string): Promise<void> {
  let sent = 0;
  let consumed = 0;
  let size = 0;
  let quiet = 0;
  /** The first batches are small because the receiver is idle until they arrive. */
  let most = FIRST;
  let batch = batches[0]!;

  /** Waits for a free batch. */
  function next(): void {
    for (
      let delivered = Atomics.load(control, DELIVERED);
      sent - delivered >= BATCHES;
      delivered = Atomics.load(control, DELIVERED)
    )
      Atomics.wait(control, DELIVERED, delivered);
    batch = batches[sent % BATCHES]!;
    batch.clear();
  }

  function send(): void {
    post({ batch: [batch.count, consumed, size] });
    sent++;
    quiet = 0;
    most *= 2;
    next();
  }

  next();
  const summary = await readText(
    await openTrace(path, TRACE_TEXT, BLOCK),
    (event) => {
      if (!batch.fits(event) || batch.count === most) send();
      batch.add(event);
    },
    {
      onProgress(...progress) {
        [consumed, size] = progress;
        if (++quiet >= QUIET_BLOCKS) send();
      },
      onLost(events) {
        if (!batch.fitsLost()) send();
        batch.addLost(events);
      },
      enough: () => Atomics.load(control, STOPPED) !== 0,
    },
  ).finally(send);
  post({ summary });
}

parentPort!.on("message", ({ path }: ReadOrder) => {
  read(path).catch((error: unknown) => {
    // Any other error ends the thread; the receiver gets it from the worker's `error` event.
    if (!(error instanceof KpkeysError)) throw error;
    const { code, message, where } = error;
    post({ error: { code, message, where } });
  });
});
