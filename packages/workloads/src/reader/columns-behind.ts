import { bareHexadecimal, lineEnd, SPACE, spaces } from "./scan.js";

/** The width to which perf pads an address. */
const ADDRESS_WIDTH = 16;

/** Digits of the lowest address at which a program is mapped: 0x400000, or 0x10000 on arm. */
const SHORTEST_ADDRESS = 5;

const DIGIT_0 = 48;
const PAREN_CLOSE = 41;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

/**
 * Reads the end of a line behind the arguments of a tracepoint. Columns that perf prints there by `-F` may precede it: the
 * address of the access, which a tracepoint does not have, so that it is 0, and where the code was:
 *
 * ```
 *   fd: 0xffffffff, off: 0x00000000               0     55571c197214 main+0x10 (/usr/bin/make)
 *                                  |-- addr, 16 --| |-- ip, 16 ----| |-- symbol, object ----|
 * ```
 *
 * @param bytes - the text
 * @param at - the position behind the arguments, or -1
 * @returns the position of the newline, or -1 when something else is left of the line
 */
export function argumentsEnd(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  const end = lineEnd(bytes, at);
  if (end >= 0) return end;
  const behind = noAddress(bytes, at);
  const rest = lineEnd(bytes, behind);
  return rest >= 0 ? rest : codeAddress(bytes, behind);
}

function noAddress(bytes: Uint8Array, at: number): number {
  const zero = spaces(bytes, at);
  return zero - at > 1 && bytes[zero] === DIGIT_0 && bytes[zero + 1]! <= SPACE ? zero + 1 : at;
}

/** The column of the instruction's address, alone or with a symbol and an object in parentheses. */
function codeAddress(bytes: Uint8Array, at: number): number {
  const end = paddedAddress(bytes, at);
  if (end < 0) return -1;
  const alone = lineEnd(bytes, end);
  if (alone >= 0) return alone;
  const newline = bytes.indexOf(NEWLINE, end);
  const last = bytes[newline - 1] === CARRIAGE_RETURN ? newline - 2 : newline - 1;
  return bytes[end] === SPACE && bytes[last] === PAREN_CLOSE ? newline : -1;
}

/** An address that a space and the padding to 16 digits separate from what is in front of it. @returns its end, or -1 */
function paddedAddress(bytes: Uint8Array, at: number): number {
  const start = spaces(bytes, at);
  const end = bareHexadecimal(bytes, start);
  return start > at && end > start && end - at === 1 + ADDRESS_WIDTH ? end : -1;
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
