import { KpkeysError } from "@kpkeys/core";

/**
 * @param where - the file or stream
 * @param reached - the place that the reader has reached
 * @param cause - the error thrown, if any
 * @returns ERR_INPUT_TRUNCATED for gzip data without its end
 */
export function cutGzip(where: string, reached: string, cause?: unknown): KpkeysError {
  const what = `the gzip data is cut after ${reached}`;
  return new KpkeysError("ERR_INPUT_TRUNCATED", what, { where, cause, expected: "a complete gzip file" });
}

/**
 * @param where - the file or stream
 * @param reason - the decompressor's message
 * @param reached - the place that the reader has reached
 * @param cause - the error thrown, if any
 * @returns ERR_INPUT_KIND for gzip data that cannot be unpacked or has a wrong checksum
 */
export function damagedGzip(where: string, reason: string, reached: string, cause?: unknown): KpkeysError {
  const what = `the gzip data is damaged (${reason}) after ${reached}`;
  return new KpkeysError("ERR_INPUT_KIND", what, { where, cause, expected: "plain text or an intact gzip file" });
}
