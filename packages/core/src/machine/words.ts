import type { Words } from "../contracts/index.js";

/** Hex digits of a word. */
const DIGITS = 8;
/** What stands before the digits: `0x`. */
const PREFIX = 2;

/**
 * Cuts a 64-bit value into two words.
 *
 * @param value - 64 bits
 * @returns the words
 */
export function toWords(value: bigint): Words {
  return { high: Number(BigInt.asIntN(32, value >> 32n)), low: Number(BigInt.asIntN(32, value)) };
}

/**
 * Joins two words, the inverse of {@link toWords}.
 *
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 * @returns 64 bits, never negative
 */
export function fromWords(high: number, low: number): bigint {
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/**
 * Writes a 64-bit value as tools show it.
 *
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 * @returns `0x` and hex digits without leading zeros
 */
export function wordsToHex(high: number, low: number): string {
  const lowDigits = (low >>> 0).toString(16);
  return high === 0 ? `0x${lowDigits}` : `0x${(high >>> 0).toString(16)}${lowDigits.padStart(DIGITS, "0")}`;
}

/**
 * Writes a number in hexadecimal.
 *
 * @param value - not negative
 * @returns `0x` and hex digits without leading zeros
 */
export function shortHex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

/**
 * Whether a value is a bit pattern in hex.
 *
 * @param value - anything
 * @param words - how wide it may be, in words of 32 bits
 * @returns whether it is `0x` and one to eight digits a word
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

/** The value of a hex digit of either case; of another character, none from 0 to 15. */
function digitOf(code: number): number {
  if (code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 ? letter - 0x61 + 10 : -1;
}
