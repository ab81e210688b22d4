import { ascii, literal, SPACE, word } from "./scan.js";

/** Slots of the hash table: a power of two, many times the number of names, so that collisions are rare. */
const SLOTS = 1024;

/** A hash table of words with open addressing. It is searched with bytes, so that no string is created for a word of a line. */
export class NameTable {
  private readonly encoded: Uint8Array[] = [];
  private readonly table = new Int16Array(SLOTS).fill(-1);
  private last = 0;

  /** @param names - the words, ASCII; with those added later fewer than {@link SLOTS} */
  constructor(names: readonly string[]) {
    for (const name of names) this.add(name);
  }

  /** @returns the index of the word at a position, or -1 */
  at(bytes: Uint8Array, at: number): number {
    // Common case: the same word as in the last search.
    const end = literal(bytes, at, this.encoded[this.last]!);
    if (end >= 0 && bytes[end]! <= SPACE) return this.last;
    const found = this.table[this.slotOf(bytes, at, word(bytes, at))]!;
    if (found >= 0) this.last = found;
    return found;
  }

  /** Adds a word. Its index is the number of words before it. */
  add(name: string): void {
    const bytes = ascii(name);
    this.table[this.slotOf(bytes, 0, bytes.length)] = this.encoded.length;
    this.encoded.push(bytes);
  }

  /** @returns the slot of a word, or the empty slot for it */
  private slotOf(bytes: Uint8Array, start: number, end: number): number {
    const { table } = this;
    let hash = 0;
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + bytes[i]!) | 0;
    let slot = (hash ^ (hash >>> 9)) & (SLOTS - 1);
    while (table[slot]! >= 0 && !this.equals(bytes, start, end, table[slot]!)) slot = (slot + 1) & (SLOTS - 1);
    return slot;
  }

  private equals(bytes: Uint8Array, start: number, end: number, index: number): boolean {
    const name = this.encoded[index]!;
    return end - start === name.length && literal(bytes, start, name) === end;
  }
}
