import { HUGE_SHIFT, SIGNAL_NUMBERS, VALUES } from "./strace-names.js";

/** The prefix of the names that an argument may have besides numbers; empty for none. */
export type ArgumentNames = "PROT" | "MAP" | "MREMAP" | "MADV" | "MLOCK" | "MCL" | "SHM" | "CLONE" | "";

const DECIMAL = /^-?\d{1,20}$/;
const HEXADECIMAL = /^0x[0-9a-f]{1,16}$/;
const OCTAL = /^0[0-7]{1,21}$/;
const SHIFTED = /^(\d{1,3})<<MAP_HUGE_SHIFT$/;
const REALTIME_SIGNAL = /^SIGRT_(\d{1,2})$/;

/** The first real-time signal: SIGRTMIN of the kernel. */
const SIGRTMIN = 32;

const WORDS = 1n << 64n;

/**
 * Reads an argument as strace prints it: a number, or names and numbers joined by `|`, optionally with a comment or a file name after it.
 *
 * @param text - the argument
 * @param names - the prefix of its names
 * @returns 64 bits, or undefined if it cannot be read
 */
export function straceNumber(text: string, names: ArgumentNames): bigint | undefined {
  let value = 0n;
  for (const part of withoutRemarks(text).split("|")) {
    const term = readTerm(part.trim(), names);
    if (term === undefined) return undefined;
    value |= term;
  }
  return BigInt.asIntN(64, value);
}

/** Removes the comment or the file name after a number: `0x800 /* MAP_??? *\/`, `3</tmp/file>`. */
function withoutRemarks(text: string): string {
  const comment = text.indexOf("/*");
  const bare = comment < 0 ? text : text.slice(0, comment);
  const name = /\d<(?!<)/.exec(bare);
  return name === null ? bare : bare.slice(0, name.index + 1);
}

function readTerm(word: string, names: ArgumentNames): bigint | undefined {
  if (HEXADECIMAL.test(word)) return BigInt(word);
  if (OCTAL.test(word)) return inWord(BigInt(`0o${word.slice(1)}`));
  if (DECIMAL.test(word)) return inWord(BigInt(word));
  if (names === "") return word === "NULL" ? 0n : undefined;
  if (word.startsWith(`${names}_`)) {
    const value = VALUES.get(word);
    return value === undefined ? undefined : BigInt(value);
  }
  if (names === "MAP") return hugePage(word);
  return names === "CLONE" ? signal(word) : undefined;
}

/** @returns the number, or undefined if it needs more than 64 bits */
function inWord(value: bigint): bigint | undefined {
  return value < WORDS && value >= -(WORDS >> 1n) ? value : undefined;
}

function hugePage(word: string): bigint | undefined {
  const size = SHIFTED.exec(word)?.[1];
  return size === undefined ? undefined : BigInt(size) << BigInt(HUGE_SHIFT);
}

function signal(word: string): bigint | undefined {
  const number = SIGNAL_NUMBERS.get(word) ?? realtimeSignal(word);
  return number === undefined ? undefined : BigInt(number);
}

function realtimeSignal(word: string): number | undefined {
  const number = REALTIME_SIGNAL.exec(word)?.[1];
  return number === undefined ? undefined : SIGRTMIN + Number(number);
}
