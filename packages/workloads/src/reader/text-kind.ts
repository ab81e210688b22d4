import { KpkeysError } from "@kpkeys/core";
import { NEWLINE, NUL } from "./scan.js";

/** Bytes of a file that are examined. */
const HEAD = 4096;

/** Control characters except tab and line ends, and the replacement character of bytes that are not UTF-8. */
const STRANGE = /[^\P{Cc}\t\n\r]|\uFFFD/gu;

/** Description of a trace, for errors. */
export const TRACE_TEXT = "the text that perf script prints, plain or gzip";

/** Binary files with a known kind: their first bytes as latin1, a description, and a remedy. */
const KINDS: readonly (readonly [string, string, (path: string, text: string) => string])[] = [
  ["PERFILE2", "a perf.data file", convert],
  ["2ELIFREP", "a perf.data file of the other byte order", convert],
  ["\x17\x08\x44tracing", "a trace.dat file of trace-cmd", () => ": convert it with 'trace-cmd report'"],
  ["\x1f\x8b", "gzip in gzip", () => ": unpack it first (gunzip)"],
  ["\x28\xb5\x2f\xfd", "compressed by zstd", () => ": unpack it first (unzstd)"],
  ["\xfd7zXZ\0", "compressed by xz", () => ": unpack it first (unxz)"],
  ["BZh", "compressed by bzip2", () => ": unpack it first (bunzip2)"],
  ["PK\x03\x04", "a zip archive", () => ": unpack it first (unzip)"],
  ["\x7fELF", "a program (ELF)", () => ""],
];

function convert(path: string, text: string): string {
  return text === TRACE_TEXT ? `: convert it with 'perf script -i ${path}'` : "";
}

/**
 * Checks that a file is text.
 *
 * @param path - the file
 * @param start - the first bytes, unpacked
 * @param compressed - whether the file is gzip
 * @param text - a description of the text, for the error
 * @throws KpkeysError ERR_INPUT_KIND for a binary file
 */
export function rejectBinary(path: string, start: Uint8Array, compressed: boolean, text: string): void {
  rejectKnownKind(path, start, compressed, text);
  if (isBinary(start.subarray(0, HEAD))) {
    const what = `${compressed ? "unpacked, " : ""}this is a binary file`;
    throw new KpkeysError("ERR_INPUT_KIND", what, { where: path, expected: text });
  }
}

/**
 * Checks that a file is not one of the known binary kinds.
 *
 * @param path - the file
 * @param head - the first bytes, unpacked
 * @param compressed - whether the file is gzip
 * @param text - a description of the text, for the error
 * @throws KpkeysError ERR_INPUT_KIND, with the kind of the file
 */
export function rejectKnownKind(path: string, head: Uint8Array, compressed: boolean, text: string): void {
  const begin = String.fromCharCode(...head.subarray(0, 16));
  const unpacked = compressed ? "unpacked, " : "";
  for (const [magic, what, remedy] of KINDS) {
    if (!begin.startsWith(magic)) continue;
    const expected = text + remedy(path, text);
    throw new KpkeysError("ERR_INPUT_KIND", `${unpacked}this is ${what}`, { where: path, expected });
  }
}

/**
 * A binary file has NUL in its first line or many bytes that are not text. A single such byte is not enough: the parser reports its line.
 * The log of a serial line may begin with NUL, because an idle line reads as NUL.
 */
function isBinary(bytes: Uint8Array): boolean {
  const start = bytes.findIndex((byte) => byte !== NUL);
  if (start < 0) return bytes.length > 0;
  const head = bytes.subarray(start);
  const firstLine = head.indexOf(NEWLINE);
  if (head.subarray(0, firstLine < 0 ? head.length : firstLine).includes(NUL)) return true;
  const strange = new TextDecoder().decode(head).match(STRANGE) ?? [];
  return strange.length * 8 > head.length;
}
