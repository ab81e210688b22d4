import { KpkeysError } from "@kpkeys/core";
import { cutGzip, damagedGzip } from "../reader/gzip-errors.js";

/**
 * Puts what Node says of a file that cannot be read into one of the project's errors.
 *
 * @param path - the file
 * @param error - what was thrown
 * @param reached - how far the file has been read, for a compressed file that ends early or is damaged
 * @returns the error to throw; `error` itself when it does not come from the file system or from zlib
 */
export function inputError(path: string, error: unknown, reached = ""): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : "";
  const details = { where: path, cause: error };
  const expected = "a file that can be read";
  if (error instanceof KpkeysError) return error;
  if (code === "Z_BUF_ERROR") return cutGzip(path, reached, error);
  if (code.startsWith("Z_")) return damagedGzip(path, message, reached, error);
  if (code === "EISDIR") return directoryError(path);
  if (code === "ENOENT") return new KpkeysError("ERR_INPUT_MISSING", "no such file", { ...details, expected });
  if (/^E[A-Z0-9]+$/.test(code)) {
    return new KpkeysError("ERR_INPUT_MISSING", `the file may not or cannot be read (${code})`, {
      ...details,
      expected,
    });
  }
  return error;
}

/**
 * @param path - a directory where a file should be
 * @returns the error to throw
 */
export function directoryError(path: string): KpkeysError {
  return new KpkeysError("ERR_INPUT_KIND", "this is a directory", { where: path, expected: "a file" });
}
