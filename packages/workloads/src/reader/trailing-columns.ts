import { bareHexadecimal, lineEnd, SPACE, spaces } from "./scan.js";

/** The width to which perf pads an address. */
const ADDRESS_WIDTH = 16;

/** Digits of the lowest address at which a program is mapped: 0x400000, or 0x10000 on arm. */
const SHORTEST_ADDRESS = 5;

const DIGIT_0 = 48;
const PAREN_CLOSE = 41;
const PLUS = 43;
const COLON = 58;
const BRACKET_CLOSE = 93;
const NEWLINE = 10;

/**
 * Reads the end of a line after the arguments of a tracepoint. With `-F` perf prints columns there: the address of the access (0 for a
 * tracepoint), weights, the instruction pointer, a physical address:
 *
 * ```
 *   fd: 0xffffffff, off: 0x00000000               0     55571c197214 main+0x10 (/usr/bin/make)           1a2b3
 *                                  |-- addr, 16 --| |-- ip, 16 ----| |-- symbol, object ----| |-- phys, 16 --|
 * ```
 *
 * @param bytes - the text
 * @param at - the end of the arguments, or -1
 * @returns the position of the newline, or -1 if the line has other text
 */
export function argumentsEnd(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  let last = at;
  for (let next = paddedNumber(bytes, at); next >= 0; next = paddedNumber(bytes, next)) last = next;
  const end = lineEnd(bytes, last);
  if (end >= 0 || last === at || bytes[last] !== SPACE) return end;
  const newline = bytes.indexOf(NEWLINE, last);
  return endsInSymbol(bytes, last, newline) ? newline : -1;
}

/** Reads a number that is padded to 16 columns; a 0 may have fewer. @returns its end, or -1 */
function paddedNumber(bytes: Uint8Array, at: number): number {
  const start = spaces(bytes, at);
  const end = bareHexadecimal(bytes, start);
  const digits = end - start;
  if (start === at || digits === 0 || digits > ADDRESS_WIDTH || bytes[end]! > SPACE) return -1;
  const isZero = digits === 1 && bytes[start] === DIGIT_0 && start - at > 1;
  return isZero || end - at >= ADDRESS_WIDTH ? end : -1;
}

/** Whether the line ends in a symbol or an object, optionally with a padded number after it, and contains no second event. */
function endsInSymbol(bytes: Uint8Array, from: number, newline: number): boolean {
  for (let at = from; at < newline; at++) if (bytes[at] === COLON && bytes[at + 1] === SPACE) return false;
  let end = trimEnd(bytes, from, newline);
  let start = wordStart(bytes, from, end);
  if (bareHexadecimal(bytes, start) === end && bytes[start - 2] === SPACE) {
    end = trimEnd(bytes, from, start);
    start = wordStart(bytes, from, end);
  }
  const last = bytes[end - 1];
  if (last === PAREN_CLOSE || last === BRACKET_CLOSE) return true;
  let plus = end - 1;
  while (plus > start && bytes[plus] !== PLUS) plus--;
  return bytes[plus] === PLUS && bytes[plus + 1] === DIGIT_0;
}

function trimEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && bytes[at - 1]! <= SPACE) at--;
  return at;
}

function wordStart(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && bytes[at - 1]! > SPACE) at--;
  return at;
}

/**
 * Finds the address of the access in the columns of a sample. perf prints it only with `-F +addr`, without a space before its padding;
 * the instruction pointer has that space. A symbol and an object may follow each of them, and symbols may contain spaces:
 *
 * ```
 *   page-faults:     7f1b7f322110 dl_close_state.2+0x0 (/usr/lib/ld.so) ffffffff81775b9a elf_load+0x28a ([kernel.kallsyms])
 *   page-faults:  ffffffff81775b9a elf_load+0x28a ([kernel.kallsyms])
 * ```
 *
 * @param bytes - the text
 * @param at - the position after the event's name, its colon and one space
 * @returns the start of the address, or -1 if the line has none
 */
export function accessAddress(bytes: Uint8Array, at: number): number {
  const start = spaces(bytes, at);
  const end = bareHexadecimal(bytes, start);
  if (end === start || end - start > ADDRESS_WIDTH || bytes[end]! > SPACE) return -1;
  const width = end - at;
  const alone = lineEnd(bytes, end) >= 0 && width !== 1 + ADDRESS_WIDTH;
  return width === ADDRESS_WIDTH || alone || hasSecondAddress(bytes, end) ? start : -1;
}

/** Whether the line has a second address: padded to its width, or after the parenthesis of an object. */
function hasSecondAddress(bytes: Uint8Array, from: number): boolean {
  for (let at = from; bytes[at] !== NEWLINE; at++) {
    if (bytes[at] !== SPACE) continue;
    const start = spaces(bytes, at);
    const end = bareHexadecimal(bytes, start);
    const isWord = end - start >= SHORTEST_ADDRESS && end - start <= ADDRESS_WIDTH && bytes[end]! <= SPACE;
    if (isWord && (end - at > ADDRESS_WIDTH || bytes[at - 1] === PAREN_CLOSE)) return true;
    at = start - 1;
  }
  return false;
}
