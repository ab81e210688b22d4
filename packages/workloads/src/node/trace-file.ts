import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream";
import type { TransformOptions } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import type { Gunzip, ZlibOptions } from "node:zlib";
import type { InputText } from "@kpkeys/core";
import { rejectBinary, TRACE_TEXT } from "../reader/text-kind.js";
import { directoryError, inputError } from "./input-error.js";

/** Bytes of the first read, which decides whether the file is gzip. */
const HEAD = 4096;
/** Bytes of one read, and bytes unpacked at once by default. */
const BLOCK = 256 << 10;

/** Up to four blocks are unpacked ahead of the consumer and one block is read ahead of unpacking, so that the three overlap. */
const unpacking = (block: number): ZlibOptions & TransformOptions => ({
  chunkSize: block,
  readableHighWaterMark: 4 * BLOCK,
  writableHighWaterMark: BLOCK,
});

/**
 * Opens a trace or another text of lines, plain or gzip.
 *
 * @param path - the file
 * @param text - a description of the text, for the error about a file that is not text
 * @param block - bytes to unpack at once
 * @returns the text. The file is closed when the loop over its chunks ends.
 * @throws KpkeysError ERR_INPUT_MISSING; ERR_INPUT_KIND for a directory
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
        // The decompressor may still use the last block when it requests the next.
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
    // The loop over the returned stream gets the error, so the callback ignores it.
    return pipeline(source, gunzip, () => undefined);
  }

  async function* chunks(reached: () => string): AsyncGenerator<Uint8Array, void, undefined> {
    let first = true;
    try {
      for await (const chunk of unpacked()) {
        if (first) rejectBinary(path, chunk, compressed, text);
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
 * Waits until the consumer has read all unpacked text. At the end of a cut file the stream is destroyed with the text that it still
 * holds; without the wait, the amount lost would depend on the consumer's speed.
 */
async function drained(gunzip: Gunzip): Promise<void> {
  while (!gunzip.destroyed && gunzip.readableLength + gunzip.writableLength > 0) await setImmediate();
}

/** @returns the open file, its size (0 for a pipe or a device) and its first bytes */
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

/** Reads once into a buffer from `offset` on. @returns the bytes read; none at the end of the file */
async function read(handle: FileHandle, buffer: Uint8Array, offset: number): Promise<Uint8Array> {
  const { bytesRead } = await handle.read(buffer, offset, buffer.length - offset);
  return buffer.subarray(offset, offset + bytesRead);
}
