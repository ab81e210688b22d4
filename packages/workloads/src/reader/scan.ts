import { toWords } from "@kpkeys/core";

/*
 * Scanner functions on bytes, without strings. Each takes a position and returns the position after the text that it has read, or -1 if
 * the text does not match. A position of -1 gives -1, so calls can be chained and the result checked once.
 *
 * Every line ends in a newline and no function accepts a newline, so none reads past the end of its line.
 */

/** The byte NUL, which is in no text of perf. */
export const NUL = 0;
/** The byte that ends a line. */
export const NEWLINE = 10;
/** The byte between columns. */
export const SPACE = 32;

const TAB = 9;
const CARRIAGE_RETURN = 13;
const MINUS = 45;
const DIGIT_0 = 48;
const LETTER_X = 120;

/** The value of a lower-case hexadecimal digit by its code, 255 for any other byte. */
const HEX_VALUE = new Uint8Array(256).fill(255);
for (const [value, digit] of ascii("0123456789abcdef").entries()) HEX_VALUE[digit] = value;

/**
 * @param text - ASCII text
 * @returns its bytes
 */
export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Reads exactly `text`. */
export function literal(bytes: Uint8Array, at: number, text: Uint8Array): number {
  if (at < 0) return -1;
  for (let i = 0; i < text.length; i++) {
    if (bytes[at + i] !== text[i]) return -1;
  }
  return at + text.length;
}

/** Reads zero or more spaces. */
export function spaces(bytes: Uint8Array, at: number): number {
  let i = at;
  while (bytes[i] === SPACE) i++;
  return i;
}

/** @returns whether the byte is a decimal digit */
export function isDigit(byte: number): boolean {
  return HEX_VALUE[byte]! < 10;
}

/** @returns whether a number of so many digits can be a tid, a CPU or a second of uptime: one to nine */
export function isCount(length: number): boolean {
  return length > 0 && length <= 9;
}

/** Reads zero or more decimal digits. */
export function digits(bytes: Uint8Array, at: number): number {
  let i = at;
  while (HEX_VALUE[bytes[i]!]! < 10) i++;
  return i;
}

/** @returns the value of the decimal digits from `start` to `end` (exclusive), exact for up to 15 of them */
export function decimal(bytes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 10 + (bytes[i]! - DIGIT_0);
  return value;
}

/** Reads trailing spaces and an optional carriage return. @returns the position of the newline, or -1 */
export function lineEnd(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  let i = spaces(bytes, at);
  if (bytes[i] === CARRIAGE_RETURN) i++;
  return bytes[i] === NEWLINE ? i : -1;
}

/** Reads the start of a call chain entry: a tab or spaces and an address without 0x, before a space or the end of the line. */
export function callChainEntry(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== TAB && bytes[at] !== SPACE) return -1;
  const start = spaces(bytes, at + 1);
  const end = bareHexadecimal(bytes, start);
  return end > start && end - start <= 16 && bytes[end]! <= SPACE ? end : -1;
}

/** Reads zero or more lower-case hexadecimal digits. */
export function bareHexadecimal(bytes: Uint8Array, at: number): number {
  let i = at;
  while (HEX_VALUE[bytes[i]!]! < 16) i++;
  return i;
}

/** Reads a word: one or more bytes that are not spaces or control characters. */
export function word(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  let i = at;
  while (bytes[i]! > SPACE) i++;
  return i === at ? -1 : i;
}

/** Reads a decimal integer of at most nine digits (a pid, a priority) with an optional minus into a slot. */
export function integer(bytes: Uint8Array, at: number, high: Int32Array, low: Int32Array, slot: number): number {
  if (at < 0) return -1;
  const negative = bytes[at] === MINUS;
  const start = negative ? at + 1 : at;
  const end = digits(bytes, start);
  if (end === start || end - start > 9) return -1;
  const value = decimal(bytes, start, end);
  low[slot] = negative ? -value : value;
  high[slot] = negative && value > 0 ? -1 : 0;
  return end;
}

/** Reads a number of at most 64 bits into a slot: hexadecimal with 0x, as libtraceevent prints system calls, or decimal. */
export function number(bytes: Uint8Array, at: number, high: Int32Array, low: Int32Array, slot: number): number {
  if (at < 0) return -1;
  if (bytes[at] !== DIGIT_0 || bytes[at + 1] !== LETTER_X) return decimalNumber(bytes, at, high, low, slot);
  return hexDigits(bytes, at + 2, high, low, slot);
}

/** Reads a hexadecimal number of at most 64 bits into a slot, with or without 0x. */
export function hexadecimal(bytes: Uint8Array, at: number, high: Int32Array, low: Int32Array, slot: number): number {
  if (at < 0) return -1;
  const prefixed = bytes[at] === DIGIT_0 && bytes[at + 1] === LETTER_X;
  return hexDigits(bytes, prefixed ? at + 2 : at, high, low, slot);
}

function hexDigits(bytes: Uint8Array, start: number, high: Int32Array, low: Int32Array, slot: number): number {
  let i = start;
  let highWord = 0;
  let lowWord = 0;
  for (let digit = HEX_VALUE[bytes[i]!]!; digit < 16; digit = HEX_VALUE[bytes[i]!]!) {
    highWord = (highWord << 4) | (lowWord >>> 28);
    lowWord = (lowWord << 4) | digit;
    i++;
  }
  if (i === start || i - start > 16) return -1;
  high[slot] = highWord;
  low[slot] = lowWord;
  return i;
}

/** Reads a decimal number from -2^63 to 2^64 - 1. Numbers of up to 15 digits take the fast path. */
function decimalNumber(bytes: Uint8Array, at: number, high: Int32Array, low: Int32Array, slot: number): number {
  const start = bytes[at] === MINUS ? at + 1 : at;
  const end = digits(bytes, start);
  if (end === start || end - start > 20) return -1;
  if (end - start > 15) return longDecimal(bytes, at, end, high, low, slot);
  const magnitude = decimal(bytes, start, end);
  const value = start > at ? -magnitude : magnitude;
  high[slot] = Math.floor(value / 0x1_0000_0000);
  low[slot] = value | 0;
  return end;
}

function longDecimal(
  bytes: Uint8Array,
  at: number,
  end: number,
  high: Int32Array,
  low: Int32Array,
  slot: number,
): number {
  const value = BigInt(String.fromCharCode(...bytes.subarray(at, end)));
  if (value < -(1n << 63n) || value >= 1n << 64n) return -1;
  const words = toWords(value);
  high[slot] = words.high;
  low[slot] = words.low;
  return end;
}
