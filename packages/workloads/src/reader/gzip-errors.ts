import { KpkeysError } from "@kpkeys/core";

/**
 * @param where - the file or stream
 * @param reached - the part that was read, for the message
 * @param cause - the error of the decompressor, if there was one
 * @returns the error of gzip data without its end
 */
export function cutGzip(where: string, reached: string, cause?: unknown): KpkeysError {
  const what = `the gzip data breaks off after ${reached}`;
  return new KpkeysError("ERR_INPUT_TRUNCATED", what, { where, cause, expected: "a gzip file with its end" });
}

/**
 * @param where - the file or stream
 * @param reason - the message of the decompressor
 * @param reached - the part that was read, for the message
 * @param cause - the error of the decompressor, if there was one
 * @returns the error of gzip data that cannot be unpacked, or whose checksum differs
 */
export function damagedGzip(where: string, reason: string, reached: string, cause?: unknown): KpkeysError {
  const what = `the gzip data is damaged (${reason}) after ${reached}`;
  return new KpkeysError("ERR_INPUT_KIND", what, { where, cause, expected: "plain text or a sound gzip file" });
}
