import { EntryType } from "@kpkeys/core/contracts";
import type { Pfn, Pkey } from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";
import { eachTable, idOf, pageOfEntry, tablesBelow } from "./table-scan.js";
import type { ScanParts, TablePlace } from "./table-scan.js";

/** A table with its contents at the last look. */
interface WatchedTable {
  /** Page-frame number, level and translated addresses. */
  place: TablePlace;
  /** Contents at the last look. */
  readonly words: Int32Array;
  /** The tables that it points to. */
  children: readonly TablePlace[];
  /** Number of the last look that found it. */
  found: number;
}

/** Inputs of a watch. `roots` is called at each look. */
type WatchParts = Omit<ScanParts, "roots"> & { readonly roots: () => ScanParts["roots"] };

/**
 * An incremental scanner: after the first look, a look processes only changed entries. For each page of RAM it counts the leaves that
 * map the page writable and do not have the protecting key. A table page with such a leaf is open, unless its frame has that key.
 */
export class TableWatch {
  /** Number of table pages that are open. */
  open = 0;
  /** Number of table pages at the last look. */
  tables = 0;
  /** Number of open leaves by page of RAM. */
  private readonly openLeaves: Int32Array;
  /** Sum of hashes of their virtual pages, which detects a change that leaves their number equal. */
  private readonly openPlaces: Int32Array;
  /** Tables by {@link idOf}. */
  private readonly watched = new Map<number, WatchedTable>();
  /** Buffer for the current contents of a table's page. */
  private readonly copy: Int32Array;
  private looks = 0;
  private fingerprint = 0;

  /**
   * @param parts - memory, codec, live roots
   * @param closes - the key that protects a writable mapping; `undefined` if there is none
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

  /**
   * Walks all tables from the live roots and compares each word with the last look.
   * @returns whether the set of open pages or of their open mappings changed since the last look
   */
  look(): boolean {
    const { memory, format, pageKeys, roots } = this.parts;
    this.looks++;
    eachTable({ memory, format, roots: roots() }, (place, below) => {
      this.enter(place, below);
    });
    this.removeUnreachable();

    const before = this.fingerprint;
    const pages = new Set<Pfn>();
    const openPages = new Set<Pfn>();
    this.fingerprint = 0;
    for (const { place } of this.watched.values()) {
      const { pfn, first, level } = place;
      pages.add(pfn);
      const leaves = this.openLeaves[pfn - memory.firstPfn]!;
      if (leaves === 0 || this.isClosing(pageKeys.ofFrame(pfn))) continue;
      openPages.add(pfn);
      const where = leaves + this.openPlaces[pfn - memory.firstPfn]!;
      this.fingerprint = (this.fingerprint + hash(pfn * 8 + level + hash(where + first))) | 0;
    }
    this.tables = pages.size;
    this.open = openPages.size;
    return this.fingerprint !== before;
  }

  /** Whether a key is the one that protects. Without a key, or with none that protects, the page is open. */
  private isClosing(pkey: Pkey | undefined): boolean {
    return pkey !== undefined && pkey === this.closes;
  }

  private enter(place: TablePlace, below: (child: TablePlace) => void): void {
    const { level, base } = place;
    const table = this.watched.get(idOf(this.parts.memory, place)) ?? this.add(place);
    table.found = this.looks;
    if (table.place.level !== level || table.place.base !== base) this.move(table, place);
    this.update(table);
    for (const child of table.children) below(child);
  }

  private add(place: TablePlace): WatchedTable {
    const table = { place, words: new Int32Array(2 * place.entries), children: [], found: 0 };
    this.watched.set(idOf(this.parts.memory, place), table);
    return table;
  }

  private move(table: WatchedTable, place: TablePlace): void {
    this.countLeaves(table, -1);
    table.place = place;
    table.children = [];
    this.countLeaves(table, 1);
    this.findChildren(table);
  }

  /** Processes the changed entries of a table. */
  private update(table: WatchedTable): void {
    const { copy } = this;
    const { pfn, first, entries } = table.place;
    this.parts.memory.readTable(pfn, copy);
    let isChanged = false;
    for (let at = 0; at < 2 * entries; at += 2) {
      const low = copy[2 * first + at]!;
      const high = copy[2 * first + at + 1]!;
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

  /** Removes tables that are not reachable from a root any more. */
  private removeUnreachable(): void {
    for (const [id, table] of this.watched) {
      if (table.found === this.looks) continue;
      this.countLeaves(table, -1);
      this.watched.delete(id);
    }
  }

  private countLeaves(table: WatchedTable, sign: 1 | -1): void {
    for (let at = 0; at < table.words.length; at += 2) {
      if ((table.words[at]! | table.words[at + 1]!) !== 0) this.countLeaf(table, at / 2, sign);
    }
  }

  /** Adds a leaf to the counts (sign 1) or removes it (sign -1). */
  private countLeaf(table: WatchedTable, index: number, sign: 1 | -1): void {
    const { memory, format, pageKeys } = this.parts;
    const { openLeaves, openPlaces } = this;
    const { level } = table.place;
    const low = table.words[2 * index]!;
    const high = table.words[2 * index + 1]!;
    if (format.typeOf(level, high, low) !== EntryType.LEAF) return;
    if (!format.isWritable(high, low) || this.isClosing(pageKeys.ofEntry(high, low))) return;
    const { levels, pageShift } = format.geometry;
    const first = format.pfnOf(high, low) - memory.firstPfn;
    const page = pageOfEntry(format, table.place, index);
    const pages = 2 ** (levels[level]!.shift - pageShift);
    for (let i = Math.max(0, -first); i < pages && first + i < openLeaves.length; i++) {
      openLeaves[first + i]! += sign;
      openPlaces[first + i]! += sign * hash(page + i);
    }
  }
}

/** A 32-bit hash of a number. */
function hash(value: number): number {
  const mixed = Math.imul((value % 2 ** 32) ^ Math.floor(value / 2 ** 32), 0x9e3779b1);
  const result = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca77);
  return result ^ (result >>> 13);
}
