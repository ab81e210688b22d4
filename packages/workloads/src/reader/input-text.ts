import { gunzip } from "./gunzip.js";
import { refuseBinary, TRACE_TEXT } from "./text-kind.js";

/** How much is collected before it is said what the text is, in bytes. */
const HEAD = 4096;
/** How much of bytes at hand is taken at once. */
const BLOCK = 256 << 10;

/** A text of lines that has been opened: a recording, vectors, a log. */
export interface InputText {
  /** Where it comes from, for messages: a file's path, or any name. */
  readonly where: string;
  /** Its size in bytes, packed where it is; 0 for what has none, such as a pipe or a stream. */
  readonly size: number;
  /** Whether it is gzip. */
  readonly compressed: boolean;
  /** @returns how many bytes of it have been taken, packed where it is */
  consumed(): number;
  /**
   * The text, unpacked where need be. To be looped over once: a file is closed when the loop ends, in whatever way. A chunk is valid
   * until the next is asked for.
   *
   * @param reached - says how far its reader has come (`12 lines`), for the message about a text that ends early
   * @throws KpkeysError ERR_INPUT_KIND, ERR_INPUT_TRUNCATED or ERR_INPUT_MISSING, from within the loop
   */
  chunks(reached: () => string): AsyncGenerator<Uint8Array, void, undefined>;
}

/** Bytes at hand, or as they come: a `ReadableStream` is an `AsyncIterable`. */
export type InputBytes = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Opens a text of lines, plain or gzip: its first bytes tell which.
 *
 * @param where - where it comes from, for messages
 * @param bytes - it
 * @param text - what it should be, for the message that refuses what is no text
 * @throws what the stream throws
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
      if (first) refuseBinary(where, chunk, compressed, text);
      first = false;
      yield chunk;
    }
  }

  const size = bytes instanceof Uint8Array ? bytes.length : 0;
  return { where, size, compressed, consumed: () => consumed, chunks };
}

/** Iterators of both kinds are used alike. */
type Blocks = Iterator<Uint8Array, unknown> | AsyncIterator<Uint8Array, unknown>;

function* blocksOf(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += BLOCK) yield bytes.subarray(at, at + BLOCK);
}

async function nextOf(source: Blocks): Promise<Uint8Array | undefined> {
  const next = await source.next();
  return next.done === true ? undefined : next.value;
}

/** The first bytes: as many as it takes to tell what they are, unless there are fewer. */
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
