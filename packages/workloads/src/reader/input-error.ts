import { KpkeysError } from "@kpkeys/core";

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
  if (code === "Z_BUF_ERROR") {
    const what = `the gzip data breaks off after ${reached}`;
    return new KpkeysError("ERR_INPUT_TRUNCATED", what, { ...details, expected: "a gzip file with its end" });
  }
  if (code.startsWith("Z_")) {
    const what = `the gzip data is damaged (${message}) after ${reached}`;
    return new KpkeysError("ERR_INPUT_KIND", what, { ...details, expected: "plain text or a sound gzip file" });
  }
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
