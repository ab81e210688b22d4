import { ascii, literal, SPACE, word } from "./scan.js";

/** Slots of the hash table: a power of two, many times the number of names, so that few collide. */
const SLOTS = 1024;

/** A table of words that is asked with bytes, so that a word need not become a string to be known. */
export interface NameTable {
  /** @returns the index of the word that stands at a position, or -1 */
  at(bytes: Uint8Array, at: number): number;
  /** Adds a word: its index is the number of words before it. */
  add(name: string): void;
}

/**
 * Makes a table.
 * @param names - the words, ASCII; with those added later fewer than {@link SLOTS}
 */
export function createNameTable(names: readonly string[]): NameTable {
  const encoded: Uint8Array[] = [];
  const table = new Int16Array(SLOTS).fill(-1);
  let last = 0;

  /** @returns the slot of the word, or the empty slot where it would stand (open addressing) */
  function slotOf(bytes: Uint8Array, start: number, end: number): number {
    let hash = 0;
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0;
    let slot = (hash ^ (hash >>> 9)) & (SLOTS - 1);
    while (table[slot]! >= 0 && !stands(bytes, start, end, table[slot]!)) slot = (slot + 1) & (SLOTS - 1);
    return slot;
  }

  function stands(bytes: Uint8Array, start: number, end: number, index: number): boolean {
    return end - start === encoded[index]!.length && literal(bytes, start, encoded[index]!) === end;
  }

  function add(name: string): void {
    const word = ascii(name);
    table[slotOf(word, 0, word.length)] = encoded.length;
    encoded.push(word);
  }
  names.forEach(add);

  return {
    add,
    at(bytes, at) {
      // Most often it is the word that was asked for before.
      const end = literal(bytes, at, encoded[last]!);
      if (end >= 0 && bytes[end]! <= SPACE) return last;
      const found = table[slotOf(bytes, at, word(bytes, at))]!;
      if (found >= 0) last = found;
      return found;
    },
  };
}
