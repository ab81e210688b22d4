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
 * Reads the end of a line behind the arguments of a tracepoint. Columns that perf prints there by `-F` may precede it: the
 * address of the access, which a tracepoint does not have, so that it is 0, weights, where the code was, a physical address:
 *
 * ```
 *   fd: 0xffffffff, off: 0x00000000               0     55571c197214 main+0x10 (/usr/bin/make)           1a2b3
 *                                  |-- addr, 16 --| |-- ip, 16 ----| |-- symbol, object ----| |-- phys, 16 --|
 * ```
 *
 * @param bytes - the text
 * @param at - the position behind the arguments, or -1
 * @returns the position of the newline, or -1 when something else is left of the line
 */
export function argumentsEnd(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  let behind = at;
  for (let next = paddedNumber(bytes, at); next >= 0; next = paddedNumber(bytes, next)) behind = next;
  const end = lineEnd(bytes, behind);
  if (end >= 0 || behind === at || bytes[behind] !== SPACE) return end;
  const newline = bytes.indexOf(NEWLINE, behind);
  return endsInSymbol(bytes, behind, newline) ? newline : -1;
}

/** A number that is padded to 16 columns, of 0 perhaps fewer. @returns its end, or -1 */
function paddedNumber(bytes: Uint8Array, at: number): number {
  const start = spaces(bytes, at);
  const end = bareHexadecimal(bytes, start);
  const digits = end - start;
  if (start === at || digits === 0 || digits > ADDRESS_WIDTH || bytes[end]! > SPACE) return -1;
  const isZero = digits === 1 && bytes[start] === DIGIT_0 && start - at > 1;
  return isZero || end - at >= ADDRESS_WIDTH ? end : -1;
}

/** Whether a text ends in a symbol or an object and perhaps a padded number. One with an event of another line in it does not. */
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
 * Finds the address of the access in the columns of a sample. perf prints it only by `-F +addr`, without a space in front of its
 * padding; the address of the instruction has one. Each may have a symbol and an object behind it, and symbols may hold
 * spaces:
 *
 * ```
 *   page-faults:     7f1b7f322110 dl_close_state.2+0x0 (/usr/lib/ld.so) ffffffff81775b9a elf_load+0x28a ([kernel.kallsyms])
 *   page-faults:  ffffffff81775b9a elf_load+0x28a ([kernel.kallsyms])
 * ```
 *
 * @param bytes - the text
 * @param at - the position behind the colon of the event's name and its space
 * @returns where the address begins; -1 when the line has none
 */
export function accessAddress(bytes: Uint8Array, at: number): number {
  const start = spaces(bytes, at);
  const end = bareHexadecimal(bytes, start);
  if (end === start || end - start > ADDRESS_WIDTH || bytes[end]! > SPACE) return -1;
  const width = end - at;
  const alone = lineEnd(bytes, end) >= 0 && width !== 1 + ADDRESS_WIDTH;
  return width === ADDRESS_WIDTH || alone || hasSecondAddress(bytes, end) ? start : -1;
}

/** Whether a second address is in the line: padded to its width, or behind the parenthesis of an object. */
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
