import { KpkeysError } from "@kpkeys/core";
import { NEWLINE, NUL } from "./scan.js";

/** How much of a file is looked at. */
const HEAD = 4096;

/** Control characters but tab and line ends, and what stands for bytes that are not UTF-8. */
const STRANGE = /[^\P{Cc}\t\n\r]|\uFFFD/gu;

/** What a trace is. */
export const TRACE_TEXT = "the text that perf script prints, plain or gzip";

/** Files that are taken for text by mistake: how they begin (as latin1), what they are, and what to do with them. */
const KINDS: readonly (readonly [string, string, (path: string, text: string) => string])[] = [
  ["PERFILE2", "perf's own recording", convert],
  ["2ELIFREP", "perf's own recording, of the other byte order", convert],
  ["\x17\x08\x44tracing", "trace-cmd's own recording", () => ""],
  ["\x1f\x8b", "gzip in gzip", () => ""],
  ["\x28\xb5\x2f\xfd", "compressed by zstd", () => ": unpack it first (unzstd)"],
  ["\xfd7zXZ\0", "compressed by xz", () => ": unpack it first (unxz)"],
  ["BZh", "compressed by bzip2", () => ": unpack it first (bunzip2)"],
  ["PK\x03\x04", "a zip archive", () => ": unpack it first (unzip)"],
  ["\x7fELF", "a program (ELF)", () => ""],
];

function convert(path: string, text: string): string {
  return text === TRACE_TEXT ? `: convert it by 'perf script -i ${path}'` : "";
}

/**
 * Refuses what is not text.
 *
 * @param path - the file
 * @param start - the first bytes of the text
 * @param compressed - whether they were unpacked
 * @param text - what the file should be, for the message
 * @throws KpkeysError ERR_INPUT_KIND, which names the kind where it is known
 */
export function refuseBinary(path: string, start: Uint8Array, compressed: boolean, text: string): void {
  refuseKind(path, start, compressed, text);
  if (isBinary(start.subarray(0, HEAD))) {
    const what = `${compressed ? "unpacked, " : ""}this is a binary file`;
    throw new KpkeysError("ERR_INPUT_KIND", what, { where: path, expected: text });
  }
}

/**
 * Refuses files of a known kind that are no text.
 *
 * @param path - the file
 * @param head - the first bytes of the text
 * @param compressed - whether they were unpacked
 * @param text - what the file should be, for the message
 * @throws KpkeysError ERR_INPUT_KIND, which names the kind
 */
export function refuseKind(path: string, head: Uint8Array, compressed: boolean, text: string): void {
  const begin = String.fromCharCode(...head.subarray(0, 16));
  const unpacked = compressed ? "unpacked, " : "";
  for (const [magic, what, remedy] of KINDS) {
    if (!begin.startsWith(magic)) continue;
    const expected = text + remedy(path, text);
    throw new KpkeysError("ERR_INPUT_KIND", `${unpacked}this is ${what}`, { where: path, expected });
  }
}

/**
 * A text may hold a stray byte, which then is the matter of its line; a binary file holds NUL in its first line, or many such bytes.
 * The log of a serial line may begin with NUL, which the line has while it is at rest.
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
