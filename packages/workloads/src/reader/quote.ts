import { hexDigits } from "@kpkeys/core";

/** How much of a line a message shows. */
const SHOWN = 100;

/**
 * @param bytes - text of unknown content
 * @param start - where it begins
 * @param end - where it ends (exclusive)
 * @returns the text in quotes for a message of one line: everything but printable ASCII escaped, its end left out when it is long
 */
export function quote(bytes: Uint8Array, start: number, end: number): string {
  const shown = bytes.subarray(start, Math.min(end, start + SHOWN));
  const text = Array.from(shown, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${hexDigits(byte, 2)}`,
  ).join("");
  return `'${text}${end - start > SHOWN ? "…" : ""}'`;
}
