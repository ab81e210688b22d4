import { EntryType } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";
import { eachTable, pageOfEntry, tablesBelow } from "./table-scan.js";
import type { ScanParts, TablePlace } from "./table-scan.js";

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
  /** Which it is, and what it translates. */
  place: TablePlace;
  /** Its content when it was last read, for comparing and for reading. */
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** The tables that it points to. */
  children: readonly TablePlace[];
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
  parts: Omit<ScanParts, "roots"> & { readonly roots: () => ScanParts["roots"] },
  closes: number | undefined,
): TableWatch {
  const { memory, format } = parts;
  const { levels, pageShift } = format.geometry;
  const pageBytes = 2 ** pageShift;
  const wordsInPage = pageBytes / 8;
  const { firstPfn, endPfn } = memory;
  const lastLevel = levels.length - 1;
  const sizes = levels.map(({ shift }) => 2 ** (shift - pageShift));
  const content = Buffer.from(memory.words.buffer, memory.words.byteOffset, memory.words.byteLength);

  /** Open leaves by page of RAM: how many, and a sum over their virtual pages that tells one set of them from another. */
  const openLeaves = new Int32Array(reserve((endPfn - firstPfn) * 4));
  const openPlaces = new Int32Array(reserve((endPfn - firstPfn) * 4));
  const watched = new Map<Pfn, WatchedTable>();
  let looks = 0;
  let open = 0;
  let fingerprint = 0;
  const copy = new Int32Array(2 * wordsInPage);

  /** Counts a leaf in (1) or out (-1). */
  function countLeaf(table: WatchedTable, index: number, sign: 1 | -1): void {
    const { level } = table.place;
    const low = table.words[2 * index]!;
    const high = table.words[2 * index + 1]!;
    if (format.typeOf(level, high, low) !== EntryType.LEAF) return;
    if (!format.isWritable(high, low) || format.pkeyOf(high, low) === closes) return;
    const first = format.pfnOf(high, low) - firstPfn;
    const page = pageOfEntry(format, table.place, index);
    const pages = sizes[level]!;
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
    if (table.place.level !== lastLevel) table.children = tablesBelow(format, table.place, table.words);
  }

  /** Takes over the entries of a table that are not as they were read. */
  function readAgain(table: WatchedTable, pfn: Pfn): void {
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

  function move(table: WatchedTable, place: TablePlace): void {
    countLeaves(table, -1);
    table.place = place;
    table.children = [];
    countLeaves(table, 1);
    findChildren(table);
  }

  function begin(place: TablePlace): WatchedTable {
    const words = new Int32Array(2 * wordsInPage);
    const table = { place, words, bytes: new Uint8Array(words.buffer), children: [], found: 0 };
    watched.set(place.pfn, table);
    return table;
  }

  function enter(place: TablePlace, below: (child: TablePlace) => void): void {
    const { pfn, level, base } = place;
    const table = watched.get(pfn) ?? begin(place);
    table.found = looks;
    if (table.place.level !== level || table.place.base !== base) move(table, place);
    if (!isUnchanged(table, memory.contentOffset(pfn))) readAgain(table, pfn);
    for (const child of table.children) below(child);
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
      eachTable({ memory, format, roots: parts.roots() }, enter);
      forgetLost();

      const before = fingerprint;
      open = 0;
      fingerprint = 0;
      for (const [pfn, { place }] of watched) {
        const leaves = openLeaves[pfn - firstPfn]!;
        if (leaves === 0) continue;
        open++;
        const where = leaves + openPlaces[pfn - firstPfn]!;
        fingerprint = (fingerprint + scramble(pfn * 8 + place.level + scramble(where))) | 0;
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
