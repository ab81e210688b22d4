import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { inputFailure, KpkeysError } from "@kpkeys/core";

/** No file of costs, figures or config symbols comes near: a kernel's whole `.config` has 300 KiB. */
const MOST_BYTES = 16 * 2 ** 20;

/**
 * Reads a small text as a whole, in memory that has a bound whatever the file is.
 * @param path - a file, a pipe or a device
 * @param expected - what it should be, for errors
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND for a directory and for more than 16 MiB
 */
export function readInput(path: string, expected: string): string {
  try {
    const file = openSync(path, "r");
    try {
      if (fstatSync(file).size > MOST_BYTES) throw tooLarge(path, expected);
      return readAll(file, path, expected);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw inputFailure(path, cause, expected);
  }
}

function readAll(file: number, path: string, expected: string): string {
  const chunks: Buffer[] = [];
  let total = 0;
  for (;;) {
    const chunk = Buffer.allocUnsafe(2 ** 16);
    const read = readSync(file, chunk);
    if (read === 0) return Buffer.concat(chunks).toString();
    total += read;
    if (total > MOST_BYTES) throw tooLarge(path, expected);
    chunks.push(chunk.subarray(0, read));
  }
}

function tooLarge(path: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_INPUT_KIND", `more than ${MOST_BYTES / 2 ** 20} MiB of text`, { where: path, expected });
}
