import { EntryType } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";
import { eachTable, pageOfEntry, tablesBelow } from "./table-scan.js";
import type { ScanParts, TablePlace } from "./table-scan.js";

/** A table as it was when it was last read. */
interface WatchedTable {
  /** Its place, and the addresses that it translates. */
  place: TablePlace;
  /** Its content when it was last read. */
  readonly words: Int32Array;
  /** The tables that it points to. */
  children: readonly TablePlace[];
  /** The look that found it last. */
  found: number;
}

/** What a watch scans: the roots are taken at each look. */
type WatchParts = Omit<ScanParts, "roots"> & { readonly roots: () => ScanParts["roots"] };

/**
 * A scanner that remembers what it read, so that a further look costs what has changed. It keeps, for each page of RAM, the number of
 * leaves that leave it open and where they are; a table page with any is open.
 */
export class TableWatch {
  /** How many table pages a mapping lets be written without the key. */
  open = 0;
  /** Open leaves by page of RAM: their number, and a sum over their virtual pages that tells one set of them from another. */
  private readonly openLeaves: Int32Array;
  private readonly openPlaces: Int32Array;
  private readonly watched = new Map<Pfn, WatchedTable>();
  /** The words of the table that is being compared. */
  private readonly copy: Int32Array;
  private looks = 0;
  private fingerprint = 0;

  /**
   * @param parts - what is scanned
   * @param closes - the key that closes a writable mapping; `undefined` when none does
   */
  constructor(
    private readonly parts: WatchParts,
    private readonly closes: number | undefined,
  ) {
    const { memory, format } = parts;
    const { firstPfn, endPfn } = memory;
    this.openLeaves = new Int32Array(reserve((endPfn - firstPfn) * 4));
    this.openPlaces = new Int32Array(reserve((endPfn - firstPfn) * 4));
    this.copy = new Int32Array(2 ** (format.geometry.pageShift - 2));
  }

  /** Table pages found by the last look. */
  get tables(): number {
    return this.watched.size;
  }

  /**
   * Looks again: walks all tables from the live roots. What an earlier look read of a table is used only if the table's content is still
   * the same, word by word.
   * @returns whether other pages, or other mappings of them, are open than at the look before
   */
  look(): boolean {
    const { memory, format, roots } = this.parts;
    this.looks++;
    eachTable({ memory, format, roots: roots() }, (place, below) => {
      this.enter(place, below);
    });
    this.forgetLost();

    const before = this.fingerprint;
    this.open = 0;
    this.fingerprint = 0;
    for (const [pfn, { place }] of this.watched) {
      const leaves = this.openLeaves[pfn - memory.firstPfn]!;
      if (leaves === 0) continue;
      this.open++;
      const where = leaves + this.openPlaces[pfn - memory.firstPfn]!;
      this.fingerprint = (this.fingerprint + scramble(pfn * 8 + place.level + scramble(where))) | 0;
    }
    return this.fingerprint !== before;
  }

  private enter(place: TablePlace, below: (child: TablePlace) => void): void {
    const { pfn, level, base } = place;
    const table = this.watched.get(pfn) ?? this.begin(place);
    table.found = this.looks;
    if (table.place.level !== level || table.place.base !== base) this.move(table, place);
    this.readAgain(table, pfn);
    for (const child of table.children) below(child);
  }

  private begin(place: TablePlace): WatchedTable {
    const table = { place, words: new Int32Array(this.copy.length), children: [], found: 0 };
    this.watched.set(place.pfn, table);
    return table;
  }

  private move(table: WatchedTable, place: TablePlace): void {
    this.countLeaves(table, -1);
    table.place = place;
    table.children = [];
    this.countLeaves(table, 1);
    this.findChildren(table);
  }

  /** Reads the entries of a table that have changed. */
  private readAgain(table: WatchedTable, pfn: Pfn): void {
    const { copy } = this;
    this.parts.memory.readPage(pfn, copy);
    let isChanged = false;
    for (let at = 0; at < copy.length; at += 2) {
      const low = copy[at]!;
      const high = copy[at + 1]!;
      if (table.words[at] === low && table.words[at + 1] === high) continue;
      isChanged = true;
      this.countLeaf(table, at / 2, -1);
      table.words[at] = low;
      table.words[at + 1] = high;
      this.countLeaf(table, at / 2, 1);
    }
    if (isChanged) this.findChildren(table);
  }

  private findChildren(table: WatchedTable): void {
    const { format } = this.parts;
    const isLast = table.place.level === format.geometry.levels.length - 1;
    if (!isLast) table.children = tablesBelow(format, table.place, table.words);
  }

  /** A table that no root reaches any more maps nothing. */
  private forgetLost(): void {
    for (const [pfn, table] of this.watched) {
      if (table.found === this.looks) continue;
      this.countLeaves(table, -1);
      this.watched.delete(pfn);
    }
  }

  private countLeaves(table: WatchedTable, sign: 1 | -1): void {
    for (let at = 0; at < table.words.length; at += 2) {
      if ((table.words[at]! | table.words[at + 1]!) !== 0) this.countLeaf(table, at / 2, sign);
    }
  }

  /** Adds a leaf to the counts (1) or removes it (-1). */
  private countLeaf(table: WatchedTable, index: number, sign: 1 | -1): void {
    const { memory, format } = this.parts;
    const { openLeaves, openPlaces } = this;
    const { level } = table.place;
    const low = table.words[2 * index]!;
    const high = table.words[2 * index + 1]!;
    if (format.typeOf(level, high, low) !== EntryType.LEAF) return;
    if (!format.isWritable(high, low) || format.pkeyOf(high, low) === this.closes) return;
    const { levels, pageShift } = format.geometry;
    const first = format.pfnOf(high, low) - memory.firstPfn;
    const page = pageOfEntry(format, table.place, index);
    const pages = 2 ** (levels[level]!.shift - pageShift);
    for (let i = Math.max(0, -first); i < pages && first + i < openLeaves.length; i++) {
      openLeaves[first + i]! += sign;
      openPlaces[first + i]! += sign * scramble(page + i);
    }
  }
}

/** Spreads a number over 32 bits, so that sums of several tell which they were. */
function scramble(value: number): number {
  let hash = Math.imul((value % 2 ** 32) ^ Math.floor(value / 2 ** 32), 0x9e3779b1);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca77);
  return hash ^ (hash >>> 13);
}
