import { toWords } from "@kpkeys/core";

/*
 * Scanning of bytes without strings. Each function takes a position and returns the position behind what it has read, or -1
 * when something else stands there; -1 as the position stays -1, so that calls can be chained and the end checked once.
 *
 * Every line handed to them ends in a newline. None of them accepts a newline, so none runs past the end of its line.
 */

/** The byte NUL, which no text of perf contains. */
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

/** Reads spaces, or none. */
export function spaces(bytes: Uint8Array, at: number): number {
  let i = at;
  while (bytes[i] === SPACE) i++;
  return i;
}

/** @returns whether the byte is a decimal digit */
export function isDigit(byte: number): boolean {
  return HEX_VALUE[byte]! < 10;
}

/** Reads decimal digits, or none. */
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

/** Reads the end of the line: trailing spaces and a carriage return may stand before the newline, whose position is returned. */
export function lineEnd(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  let i = spaces(bytes, at);
  if (bytes[i] === CARRIAGE_RETURN) i++;
  return bytes[i] === NEWLINE ? i : -1;
}

/** Reads the beginning of an entry of a call chain: a tab or spaces, an address without 0x, then a space or the line's end. */
export function callChainEntry(bytes: Uint8Array, at: number): number {
  if (bytes[at] !== TAB && bytes[at] !== SPACE) return -1;
  const start = spaces(bytes, at + 1);
  const end = bareHexadecimal(bytes, start);
  return end > start && end - start <= 16 && bytes[end]! <= SPACE ? end : -1;
}

/** Reads lower-case hexadecimal digits, or none. */
export function bareHexadecimal(bytes: Uint8Array, at: number): number {
  let i = at;
  while (HEX_VALUE[bytes[i]!]! < 16) i++;
  return i;
}

/** Reads a word: one or more bytes that are neither space nor control character. */
export function word(bytes: Uint8Array, at: number): number {
  if (at < 0) return -1;
  let i = at;
  while (bytes[i]! > SPACE) i++;
  return i === at ? -1 : i;
}

/** Reads a decimal integer of at most nine digits, perhaps negative (a pid, a priority), into a slot. */
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

/** Reads a number of at most 64 bits into a slot: hexadecimal with 0x, as libtraceevent prints syscalls, or decimal. */
export function number(bytes: Uint8Array, at: number, high: Int32Array, low: Int32Array, slot: number): number {
  if (at < 0) return -1;
  if (bytes[at] !== DIGIT_0 || bytes[at + 1] !== LETTER_X) return decimalNumber(bytes, at, high, low, slot);
  return hexDigits(bytes, at + 2, high, low, slot);
}

/** Reads a hexadecimal number of at most 64 bits into a slot, with 0x or without. */
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

/** A decimal number from -2^63 to 2^64 - 1; most have few digits and are computed in two words. */
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
