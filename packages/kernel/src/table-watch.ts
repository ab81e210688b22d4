import { EntryType } from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";
import type { ScanParts } from "./scanner.js";

/** A scanner that remembers what it read, so that looking again costs what has changed. */
export interface TableWatch {
  /** Table pages found by the last look. */
  readonly tables: number;
  /** How many of them a mapping lets be written without the key. */
  readonly open: number;
  /**
   * Looks again: walks all tables from the live roots. What an earlier look read of a table is used only if the table's content is
   * still the same, word by word; whoever changed it, and by whatever way, does not matter.
   * @returns whether other pages, or other mappings of them, are open than at the look before
   */
  look(): boolean;
}

/** What is kept of a table. */
interface WatchedTable {
  level: number;
  /** The virtual page that its first entry translates. */
  base: number;
  /** Its content when it was last read, for comparing and for reading. */
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** The tables that it points to, and their bases. */
  children: readonly { readonly pfn: number; readonly base: number }[];
  /** The look that found it last. */
  found: number;
}

/**
 * Makes a watch over a machine's tables. It keeps, for each page of RAM, how many leaves of the tables found leave it open, and where
 * they are; a table page with any is open.
 *
 * @param parts - what is scanned; the roots are asked for at each look
 * @param closes - the key that closes a writable mapping; `undefined` when none does
 */
export function createTableWatch(
  parts: Omit<ScanParts, "roots" | "sourceOf"> & { readonly roots: () => ScanParts["roots"] },
  closes: number | undefined,
): TableWatch {
  const { memory, format } = parts;
  const { levels, pageShift, addressBits, splitRoots } = format.geometry;
  const pageBytes = 2 ** pageShift;
  const wordsInPage = pageBytes / 8;
  const { firstPfn, endPfn } = memory;
  const lastLevel = levels.length - 1;
  const spans = levels.map(({ shift }) => 2 ** (shift - pageShift));
  const upperHalf = 2 ** (64 - pageShift) - 2 ** (addressBits - pageShift);
  const content = Buffer.from(memory.words.buffer, memory.words.byteOffset, memory.words.byteLength);

  /** Open leaves by page of RAM: how many, and a sum over their virtual pages that tells one set of them from another. */
  const openLeaves = new Int32Array(reserve((endPfn - firstPfn) * 4));
  const openPlaces = new Int32Array(reserve((endPfn - firstPfn) * 4));
  const watched = new Map<number, WatchedTable>();
  let looks = 0;
  let open = 0;
  let fingerprint = 0;
  const copy = new Int32Array(2 * wordsInPage);

  function pageOfEntry({ level, base }: WatchedTable, index: number): number {
    const page = base + index * spans[level]!;
    return level === 0 && !splitRoots && index >= 2 ** (levels[0]!.indexBits - 1) ? page + upperHalf : page;
  }

  /** Counts a leaf in (1) or out (-1). */
  function countLeaf(table: WatchedTable, index: number, sign: 1 | -1): void {
    const low = table.words[2 * index]!;
    const high = table.words[2 * index + 1]!;
    if (format.typeOf(table.level, high, low) !== EntryType.LEAF) return;
    if (!format.isWritable(high, low) || format.pkeyOf(high, low) === closes) return;
    const first = format.pfnOf(high, low) - firstPfn;
    const page = pageOfEntry(table, index);
    const pages = spans[table.level]!;
    for (let i = Math.max(0, -first); i < pages && first + i < openLeaves.length; i++) {
      openLeaves[first + i]! += sign;
      openPlaces[first + i]! += sign * scramble(page + i);
    }
  }

  function countLeaves(table: WatchedTable, sign: 1 | -1): void {
    for (let index = 0; index < wordsInPage; index++) {
      if ((table.words[2 * index]! | table.words[2 * index + 1]!) !== 0) countLeaf(table, index, sign);
    }
  }

  function findChildren(table: WatchedTable): void {
    if (table.level === lastLevel) return;
    const children = [];
    for (let index = 0; index < wordsInPage; index++) {
      const low = table.words[2 * index]!;
      const high = table.words[2 * index + 1]!;
      if ((low | high) === 0 || format.typeOf(table.level, high, low) !== EntryType.TABLE) continue;
      children.push({ pfn: format.pfnOf(high, low), base: pageOfEntry(table, index) });
    }
    table.children = children;
  }

  /** Takes over the entries of a table that are not as they were read. */
  function readAgain(table: WatchedTable, pfn: number): void {
    memory.read(pfn, copy);
    for (let index = 0; index < wordsInPage; index++) {
      const low = copy[2 * index]!;
      const high = copy[2 * index + 1]!;
      if (table.words[2 * index] === low && table.words[2 * index + 1] === high) continue;
      countLeaf(table, index, -1);
      table.words[2 * index] = low;
      table.words[2 * index + 1] = high;
      countLeaf(table, index, 1);
    }
    findChildren(table);
  }

  function isUnchanged({ bytes }: WatchedTable, offset: number): boolean {
    return offset >= 0 && content.compare(bytes, 0, pageBytes, 4 * offset, 4 * offset + pageBytes) === 0;
  }

  function move(table: WatchedTable, level: number, base: number): void {
    countLeaves(table, -1);
    table.level = level;
    table.base = base;
    table.children = [];
    countLeaves(table, 1);
    findChildren(table);
  }

  function begin(pfn: number, level: number, base: number): WatchedTable {
    const words = new Int32Array(2 * wordsInPage);
    const table: WatchedTable = { level, base, words, bytes: new Uint8Array(words.buffer), children: [], found: 0 };
    watched.set(pfn, table);
    return table;
  }

  function visit(pfn: number, level: number, base: number): void {
    if (!memory.contains(pfn)) return;
    const table = watched.get(pfn) ?? begin(pfn, level, base);
    if (table.found === looks) return;
    table.found = looks;
    if (table.level !== level || table.base !== base) move(table, level, base);
    const offset = memory.contentOffset(pfn);
    if (!isUnchanged(table, offset)) readAgain(table, pfn);
    for (const child of table.children) visit(child.pfn, level + 1, child.base);
  }

  /** Tables that no root reaches any more map nothing. */
  function forgetLost(): void {
    for (const [pfn, table] of watched) {
      if (table.found === looks) continue;
      countLeaves(table, -1);
      watched.delete(pfn);
    }
  }

  return {
    get tables() {
      return watched.size;
    },
    get open() {
      return open;
    },
    look() {
      looks++;
      const { kernel, user } = parts.roots();
      for (const root of kernel) visit(root, 0, splitRoots ? upperHalf : 0);
      for (const root of user) visit(root, 0, 0);
      forgetLost();

      const before = fingerprint;
      open = 0;
      fingerprint = 0;
      for (const [pfn, { level }] of watched) {
        const leaves = openLeaves[pfn - firstPfn]!;
        if (leaves === 0) continue;
        open++;
        const where = leaves + openPlaces[pfn - firstPfn]!;
        fingerprint = (fingerprint + scramble(pfn * 8 + level + scramble(where))) | 0;
      }
      return fingerprint !== before;
    },
  };
}

/** Spreads a number over 32 bits, so that sums of several tell which they were. */
function scramble(value: number): number {
  let hash = Math.imul((value % 2 ** 32) ^ Math.floor(value / 2 ** 32), 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77);
  return hash ^ (hash >>> 13);
}
