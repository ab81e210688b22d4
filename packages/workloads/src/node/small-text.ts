import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { KpkeysError } from "@kpkeys/core";
import { rejectKnownKind } from "../reader/text-kind.js";
import { directoryError, inputError } from "./input-error.js";

/** Far above any file of costs, figures, processes or config symbols: a kernel's `.config` has 300 KiB. */
const MOST_BYTES = 16 * 2 ** 20;
const BLOCK = 2 ** 16;

/**
 * Reads a whole text of at most 16 MiB, plain or gzip.
 *
 * @param path - a file, a pipe or a device
 * @param expected - a description of the text, for errors
 * @returns the text
 * @throws KpkeysError ERR_INPUT_MISSING; ERR_INPUT_KIND for a directory, a binary file or a text over 16 MiB; ERR_INPUT_TRUNCATED for a
 * gzip file that is cut
 */
export function readSmallText(path: string, expected: string): string {
  const tooLarge = (): KpkeysError =>
    new KpkeysError("ERR_INPUT_KIND", `the text is larger than ${MOST_BYTES / 2 ** 20} MiB`, { where: path, expected });
  try {
    const bytes = readBytes(path, tooLarge);
    const compressed = bytes[0] === 0x1f && bytes[1] === 0x8b;
    const text = compressed ? gunzipSync(bytes, { maxOutputLength: MOST_BYTES }) : bytes;
    rejectKnownKind(path, text, compressed, expected);
    if (text.includes(0)) throw new KpkeysError("ERR_INPUT_KIND", "this is a binary file", { where: path, expected });
    return text.toString();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    throw inputError(path, error, "all of it");
  }
}

function readBytes(path: string, tooLarge: () => KpkeysError): Buffer {
  const file = openSync(path, "r");
  try {
    const stats = fstatSync(file);
    if (stats.isDirectory()) throw directoryError(path);
    if (stats.size > MOST_BYTES) throw tooLarge();
    const blocks: Buffer[] = [];
    for (let total = 0; total <= MOST_BYTES;) {
      const block = Buffer.allocUnsafe(BLOCK);
      const read = readSync(file, block);
      if (read === 0) return Buffer.concat(blocks);
      blocks.push(block.subarray(0, read));
      total += read;
    }
    throw tooLarge();
  } finally {
    closeSync(file);
  }
}
