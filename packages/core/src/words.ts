import type { ByteOrder, Words } from "./contracts/index.js";

/** Hex digits of a 32-bit word. */
const DIGITS = 8;
/** Length of the prefix `0x`. */
const PREFIX = 2;

/**
 * Splits a 64-bit value into two words.
 *
 * @param value - 64 bits
 * @returns the words
 */
export function toWords(value: bigint): Words {
  return { high: Number(BigInt.asIntN(32, value >> 32n)), low: Number(BigInt.asIntN(32, value)) };
}

/**
 * Joins two words: the inverse of {@link toWords}.
 *
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 * @returns 64 bits, never negative
 */
export function fromWords(high: number, low: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/**
 * The 8 bytes of a 64-bit value in memory.
 *
 * @param words - the value
 * @param order - `PhysicalMemory.byteOrder` for a value that the kernel loads, `entryByteOrder` for a page-table entry
 * @returns the bytes, lowest address first
 */
export function toBytes({ high, low }: Words, order: ByteOrder): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  const little = order === "little";
  view.setInt32(little ? 0 : 4, low, little);
  view.setInt32(little ? 4 : 0, high, little);
  return bytes;
}

/**
 * A 64-bit value of bytes in memory: the inverse of {@link toBytes}.
 *
 * @param bytes - bytes, lowest address first
 * @param at - index of the first byte of the value
 * @param order - their order
 */
export function fromBytes(bytes: Uint8Array, at: number, order: ByteOrder): Words {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = order === "little";
  return { high: view.getInt32(at + (little ? 4 : 0), little), low: view.getInt32(at + (little ? 0 : 4), little) };
}

/**
 * Reverses the bytes of a 32-bit word: `swab32()`.
 *
 * @param word - an int32
 * @returns an int32
 */
export function swapBytes(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

/**
 * Reverses the bytes of a 64-bit value: `swab64()`.
 *
 * @param words - the value
 */
export function swapWords({ high, low }: Words): Words {
  return { high: swapBytes(low), low: swapBytes(high) };
}

/**
 * The hexadecimal digits of a number.
 *
 * @param value - a number; a negative one is taken as an unsigned 32-bit number
 * @param width - minimal number of digits
 * @returns lower-case digits, with leading zeros up to the width
 */
export function hexDigits(value: number | bigint, width = 1): string {
  const unsigned = typeof value === "number" && value < 0 ? value >>> 0 : value;
  return unsigned.toString(16).padStart(width, "0");
}

/**
 * A number in hexadecimal.
 *
 * @param value - a number; a negative one is taken as an unsigned 32-bit number
 * @param width - minimal number of digits
 * @returns `0x` and {@link hexDigits}
 */
export function hex(value: number | bigint, width = 1): string {
  return `0x${hexDigits(value, width)}`;
}

/**
 * A 64-bit value in hexadecimal without leading zeros.
 *
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 * @returns `0x` and 1 to 16 hex digits
 */
export function wordsToHex(high: number, low: number): string {
  return high === 0 ? hex(low) : `${hex(high)}${hexDigits(low, DIGITS)}`;
}

/**
 * A 64-bit value as the kernel prints an address.
 *
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 * @returns 16 hex digits
 */
export function addressText(high: number, low: number): string {
  return hexDigits(high, DIGITS) + hexDigits(low, DIGITS);
}

/**
 * A 64-bit value as the kernel prints a register.
 *
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 * @returns `0x` and 16 hex digits
 */
export function registerText(high: number, low: number): string {
  return `0x${addressText(high, low)}`;
}

/**
 * Whether a value is a bit pattern in hexadecimal.
 *
 * @param value - anything
 * @param words - its maximal width in 32-bit words
 * @returns whether it is `0x` and 1 to 8 digits for each word
 */
export function isHex(value: unknown, words: 1 | 2): value is string {
  if (typeof value !== "string" || !value.startsWith("0x")) return false;
  if (value.length === PREFIX || value.length > PREFIX + DIGITS * words) return false;
  for (let at = PREFIX; at < value.length; at++) {
    const digit = digitOf(value.charCodeAt(at));
    if (!(digit >= 0 && digit < 16)) return false;
  }
  return true;
}

/**
 * Bits 31 to 0 of a bit pattern.
 *
 * @param hex - `0x` and up to 16 hex digits
 */
export function lowWord(hex: string): number {
  return digitsToWord(hex, Math.max(PREFIX, hex.length - DIGITS), hex.length);
}

/**
 * Bits 63 to 32 of a bit pattern.
 *
 * @param hex - `0x` and up to 16 hex digits
 */
export function highWord(hex: string): number {
  return digitsToWord(hex, PREFIX, hex.length - DIGITS);
}

function digitsToWord(hex: string, from: number, end: number): number {
  let word = 0;
  for (let at = from; at < end; at++) word = (word << 4) | digitOf(hex.charCodeAt(at));
  return word;
}

/** The value of a hex digit of either case; a number outside 0 to 15 for another character. */
function digitOf(code: number): number {
  if (code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 ? letter - 0x61 + 10 : -1;
}
