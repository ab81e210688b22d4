import type { InputText } from "@kpkeys/core";
import { gunzip } from "./gunzip.js";
import { rejectBinary, TRACE_TEXT } from "./text-kind.js";

/** Bytes that decide whether the text is gzip. */
const HEAD = 4096;
/** Bytes of an array that are read at once. */
const BLOCK = 256 << 10;

/** An array of bytes or a stream of them: a `ReadableStream` is an `AsyncIterable`. */
export type InputBytes = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Opens a text of lines, plain or gzip.
 *
 * @param where - its origin, for errors
 * @param bytes - the text
 * @param text - a description of the text, for the error about bytes that are not text
 * @throws the errors of the stream
 */
export async function openText(where: string, bytes: InputBytes, text: string = TRACE_TEXT): Promise<InputText> {
  const source = bytes instanceof Uint8Array ? blocksOf(bytes) : bytes[Symbol.asyncIterator]();
  const head = await headOf(source);
  const compressed = head[0] === 0x1f && head[1] === 0x8b;
  let consumed = 0;

  async function* blocks(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let block: Uint8Array | undefined = head; block !== undefined; block = await nextOf(source)) {
        consumed += block.length;
        yield block;
      }
    } finally {
      await source.return?.();
    }
  }

  async function* chunks(reached: () => string): AsyncGenerator<Uint8Array, void, undefined> {
    const place = (): string => `${consumed} bytes (${reached()})`;
    let first = true;
    for await (const chunk of compressed ? gunzip(where, blocks(), place) : blocks()) {
      if (first) rejectBinary(where, chunk, compressed, text);
      first = false;
      yield chunk;
    }
  }

  const size = bytes instanceof Uint8Array ? bytes.length : 0;
  return { where, size, compressed, consumed: () => consumed, chunks };
}

/** An iterator of blocks, synchronous or not. */
type Blocks = Iterator<Uint8Array, unknown> | AsyncIterator<Uint8Array, unknown>;

function* blocksOf(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += BLOCK) yield bytes.subarray(at, at + BLOCK);
}

async function nextOf(source: Blocks): Promise<Uint8Array | undefined> {
  const next = await source.next();
  return next.done === true ? undefined : next.value;
}

/** The first {@link HEAD} bytes or more, if the source has so many. */
async function headOf(source: Blocks): Promise<Uint8Array> {
  let head = new Uint8Array(0);
  while (head.length < HEAD) {
    const block = await nextOf(source);
    if (block === undefined) break;
    const longer = new Uint8Array(head.length + block.length);
    longer.set(head);
    longer.set(block, head.length);
    head = longer;
  }
  return head;
}
