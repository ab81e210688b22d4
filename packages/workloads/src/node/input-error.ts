import { KpkeysError } from "@kpkeys/core";
import { cutGzip, damagedGzip } from "../reader/gzip-errors.js";

/**
 * Converts an error of the file system or of zlib to a coded error.
 *
 * @param path - the file
 * @param error - the error thrown
 * @param reached - the place reached, for a gzip file that is cut or damaged
 * @returns ERR_INPUT_MISSING, ERR_INPUT_KIND or ERR_INPUT_TRUNCATED; `error` itself if it has another origin
 */
export function inputError(path: string, error: unknown, reached = ""): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const message = error instanceof Error ? error.message : "";
  const details = { where: path, cause: error };
  const expected = "a readable file";
  if (error instanceof KpkeysError) return error;
  if (code === "Z_BUF_ERROR") return cutGzip(path, reached, error);
  if (code.startsWith("Z_")) return damagedGzip(path, message, reached, error);
  if (code === "EISDIR") return directoryError(path);
  if (code === "ENOENT") return new KpkeysError("ERR_INPUT_MISSING", "no such file", { ...details, expected });
  if (/^E[A-Z0-9]+$/.test(code)) {
    return new KpkeysError("ERR_INPUT_MISSING", `cannot read the file (${code})`, {
      ...details,
      expected,
    });
  }
  return error;
}

/**
 * @param path - a directory in place of a file
 * @returns ERR_INPUT_KIND
 */
export function directoryError(path: string): KpkeysError {
  return new KpkeysError("ERR_INPUT_KIND", "this is a directory", { where: path, expected: "a file" });
}
