import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream";
import type { TransformOptions } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import type { Gunzip, ZlibOptions } from "node:zlib";
import type { InputText } from "@kpkeys/core";
import { refuseBinary, TRACE_TEXT } from "../reader/text-kind.js";
import { directoryError, inputError } from "./input-error.js";

/** How much is read before it is said what the file is. */
const HEAD = 4096;
/** How much is read of a file at once, and unpacked at once unless somebody wants less. */
const BLOCK = 256 << 10;

/** Unpacking may be some blocks ahead of reading, so that the two go on at the same time, and reading the file one ahead of unpacking. */
const unpacking = (block: number): ZlibOptions & TransformOptions => ({
  chunkSize: block,
  readableHighWaterMark: 4 * BLOCK,
  writableHighWaterMark: BLOCK,
});

/**
 * Opens a trace or another text of lines, plain or gzip: its first bytes tell which.
 *
 * @param path - the file
 * @param text - what the file should be, for the message that refuses what is no text
 * @param block - bytes that are unpacked at once
 * @returns the text; its file is closed when the loop over it ends
 * @throws KpkeysError ERR_INPUT_MISSING, or ERR_INPUT_KIND for a directory
 */
export async function openTrace(path: string, text: string = TRACE_TEXT, block: number = BLOCK): Promise<InputText> {
  const { handle, size, head } = await openFile(path);
  const compressed = head[0] === 0x1f && head[1] === 0x8b;
  let consumed = 0;

  async function* blocks(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      let block = head;
      let buffer = new Uint8Array(BLOCK);
      while (block.length > 0) {
        consumed += block.length;
        yield block;
        // The decompressor may still hold the last block while it asks for the next.
        if (compressed) buffer = new Uint8Array(BLOCK);
        block = await read(handle, buffer, 0);
      }
    } finally {
      await handle.close();
    }
  }

  function unpacked(): AsyncIterable<Uint8Array> {
    if (!compressed) return blocks();
    const gunzip = createGunzip(unpacking(block));
    async function* source(): AsyncGenerator<Uint8Array, void, undefined> {
      yield* blocks();
      await drained(gunzip);
    }
    // An error reaches the loop over the stream that is returned; the callback has nothing to add.
    return pipeline(source, gunzip, () => undefined);
  }

  async function* chunks(reached: () => string): AsyncGenerator<Uint8Array, void, undefined> {
    let first = true;
    try {
      for await (const chunk of unpacked()) {
        if (first) refuseBinary(path, chunk, compressed, text);
        first = false;
        yield chunk;
      }
    } catch (error) {
      throw inputError(path, error, `${consumed} bytes (${reached()})`);
    }
  }

  return { where: path, size, compressed, consumed: () => consumed, chunks };
}

/**
 * Waits until all text that is unpacked has been read. The end of a file that is cut destroys the stream, and text that it still holds
 * would be lost: how much depends on the speed of the reader.
 */
async function drained(gunzip: Gunzip): Promise<void> {
  while (!gunzip.destroyed && gunzip.readableLength + gunzip.writableLength > 0) await setImmediate();
}

/** @returns the open file, its size, and its first bytes */
async function openFile(path: string): Promise<{ handle: FileHandle; size: number; head: Uint8Array }> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path);
    const stat = await handle.stat();
    if (stat.isDirectory()) throw directoryError(path);
    const buffer = new Uint8Array(HEAD);
    let filled = 0;
    for (let count = -1; count !== 0 && filled < HEAD; filled += count) {
      count = (await read(handle, buffer, filled)).length;
    }
    return { handle, size: stat.isFile() ? stat.size : 0, head: buffer.subarray(0, filled) };
  } catch (error) {
    await handle?.close();
    throw inputError(path, error);
  }
}

/** Fills a buffer from `offset` on as far as one read goes, and returns what was read: nothing at the end of the file. */
async function read(handle: FileHandle, buffer: Uint8Array, offset: number): Promise<Uint8Array> {
  const { bytesRead } = await handle.read(buffer, offset, buffer.length - offset);
  return buffer.subarray(offset, offset + bytesRead);
}
