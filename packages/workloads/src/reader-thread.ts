import { parentPort, workerData } from "node:worker_threads";
import { KpkeysError } from "@kpkeys/core";
import { BATCHES, type ReaderData, type ReaderMessage, type ReadOrder, STOPPED, TAKEN } from "./node/ahead-protocol.js";
import { EventBatch } from "./node/event-batch.js";
import { openTrace } from "./node/trace-file.js";
import { readText } from "./reader/recording.js";
import { TRACE_TEXT } from "./reader/text-kind.js";

// A thread that reads recordings for another one, one after the other.

/** How much is unpacked at once, in bytes: small blocks are collected sooner (docs/performance.md, "Memory"). */
const BLOCK = 32 << 10;

/** After how many blocks (one or a few MiB of text) without a full batch what there is of one is sent, so that the other thread can end a stretch without events. */
const QUIET_BLOCKS = 32;

/** How many records the first batch has; each further one twice as many, until it is full. */
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
  /** The first batches are small, for somebody waits for them. */
  let first = FIRST;
  let batch = batches[0]!;

  /** Waits until a batch is free to be filled. */
  function next(): void {
    for (let taken = Atomics.load(control, TAKEN); sent - taken >= BATCHES; taken = Atomics.load(control, TAKEN))
      Atomics.wait(control, TAKEN, taken);
    batch = batches[sent % BATCHES]!;
    batch.clear();
  }

  function send(): void {
    post({ batch: [batch.count, consumed, size] });
    sent++;
    quiet = 0;
    first *= 2;
    next();
  }

  next();
  const summary = await readText(
    await openTrace(path, TRACE_TEXT, BLOCK),
    (event) => {
      if (!batch.fits(event) || batch.count === first) send();
      batch.add(event);
    },
    {
      onProgress(...far) {
        [consumed, size] = far;
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
    // Whatever else is thrown ends the thread, and whoever waits for it is told.
    if (!(error instanceof KpkeysError)) throw error;
    const { code, message, where } = error;
    post({ error: { code, message, where } });
  });
});
