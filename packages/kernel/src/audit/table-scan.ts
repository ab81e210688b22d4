import { EntryType, toLevel, toVpn } from "@kpkeys/core/contracts";
import type { Level, PageKeys, PageTableFormat, Pfn, PhysicalMemory, Vpn } from "@kpkeys/core/contracts";
import type { EntryPlace } from "@kpkeys/core/machine";
import { kernelRangeOf } from "../mm/addresses.js";

/** Inputs of a scan. It reads tables physically, from the live roots. */
export interface ScanParts {
  /** RAM. */
  readonly memory: PhysicalMemory;
  /** The codec. */
  readonly format: PageTableFormat;
  /** The keys of pages. */
  readonly pageKeys: PageKeys;
  /** First entries of the top-level tables in use by CPUs and processes. */
  readonly roots: { readonly kernel: Iterable<EntryPlace>; readonly user: Iterable<EntryPlace> };
}

/** A table and the addresses that it translates. */
export interface TablePlace {
  /** Page-frame number. */
  readonly pfn: Pfn;
  /** Index of its first entry in the page: 0 except for a user's root smaller than a page. */
  readonly first: number;
  /** Number of its entries. */
  readonly entries: number;
  /** Its level. */
  readonly level: Level;
  /** First virtual page of its first entry. */
  readonly base: Vpn;
}

/**
 * Visits each table reachable from the roots once, parents before children.
 * @param parts - memory, codec, live roots
 * @param enter - receives a table and a function, which it calls for each child
 */
export function eachTable(
  { memory, format, roots }: Pick<ScanParts, "memory" | "format" | "roots">,
  enter: (table: TablePlace, below: (child: TablePlace) => void) => void,
): void {
  const seen = new Set<number>();

  function visit(table: TablePlace): void {
    const id = idOf(memory, table);
    if (seen.has(id) || !memory.contains(table.pfn)) return;
    seen.add(id);
    enter(table, visit);
  }

  const { splitRoots } = format.geometry;
  const kernelBase = splitRoots ? kernelRangeOf(format.geometry).from : toVpn(0);
  const entries = entriesOf(format, toLevel(0));
  const visitRoot = ({ table, index }: EntryPlace, base: Vpn): void => {
    visit({ pfn: table, first: index, entries, level: toLevel(0), base });
  };
  for (const root of roots.kernel) visitRoot(root, kernelBase);
  for (const root of roots.user) visitRoot(root, toVpn(0));
}

/** The number of a table's first entry, counted from physical address 0: unique. @param memory - RAM @param table - the table */
export function idOf({ pageShift }: PhysicalMemory, { pfn, first }: Pick<TablePlace, "pfn" | "first">): number {
  return pfn * 2 ** (pageShift - 3) + first;
}

/**
 * Reads the entries of a table. The rest of its page is not part of the result.
 * @param memory - RAM
 * @param table - its page, the index of its first entry in the page, and the number of its entries
 * @param page - buffer for the words of a page
 * @returns the table's words, a view of the buffer; `undefined` if the page has no content
 */
export function readTable(
  memory: PhysicalMemory,
  { pfn, first, entries }: { readonly pfn: Pfn; readonly first: number; readonly entries: number },
  page: Int32Array,
): Int32Array | undefined {
  return memory.readTable(pfn, page) ? page.subarray(2 * first, 2 * (first + entries)) : undefined;
}

/** Number of entries of the tables of a level. */
function entriesOf({ geometry }: PageTableFormat, level: Level): number {
  return 2 ** geometry.levels[level]!.indexBits;
}

/**
 * The first virtual page that an entry translates.
 * @param format - the geometry
 * @param table - the table of the entry
 * @param index - index of the entry
 */
export function pageOfEntry({ geometry }: PageTableFormat, { level, base }: TablePlace, index: number): Vpn {
  const { levels, pageShift, splitRoots, addressBits } = geometry;
  const { shift, indexBits } = levels[level]!;
  const page = base + index * 2 ** (shift - pageShift);
  const isUpper = level === 0 && !splitRoots && index >= 2 ** (indexBits - 1);
  return toVpn(isUpper ? page + 2 ** (64 - pageShift) - 2 ** (addressBits - pageShift) : page);
}

/** The table that an entry points to. */
function childOf(format: PageTableFormat, parent: TablePlace, high: number, low: number, base: Vpn): TablePlace {
  const level = toLevel(parent.level + 1);
  return { pfn: format.pfnOf(high, low), first: 0, entries: entriesOf(format, level), level, base };
}

/**
 * The tables that a table points to.
 * @param format - the codec
 * @param table - the table, above the last level
 * @param words - contents of the table
 */
export function tablesBelow(format: PageTableFormat, table: TablePlace, words: Int32Array): readonly TablePlace[] {
  const children: TablePlace[] = [];
  for (let index = 0; index < words.length / 2; index++) {
    const low = words[2 * index]!;
    const high = words[2 * index + 1]!;
    if ((low | high) === 0 || format.typeOf(table.level, high, low) !== EntryType.TABLE) continue;
    children.push(childOf(format, table, high, low, pageOfEntry(format, table, index)));
  }
  return children;
}

/** Receives a non-empty entry, its level and the first virtual page that it translates. */
export type EntryVisitor = (level: Level, page: Vpn, high: number, low: number) => void;

/**
 * Visits the non-empty entries of all tables reachable from the roots, in address order.
 * @param parts - memory, codec, live roots
 * @param visit - called for each entry
 */
export function visitEntries(parts: ScanParts, visit: EntryVisitor): void {
  const { memory, format } = parts;
  /** Buffers for the page of the current table of each level. `readTable` does not materialise the page. */
  const copies = format.geometry.levels.map(() => new Int32Array(2 ** (memory.pageShift - 2)));
  eachTable(parts, (table, below) => {
    const words = readTable(memory, table, copies[table.level]!);
    if (words === undefined) return;
    for (let index = 0; index < words.length / 2; index++) {
      const low = words[2 * index]!;
      const high = words[2 * index + 1]!;
      if ((low | high) === 0) continue;
      const page = pageOfEntry(format, table, index);
      visit(table.level, page, high, low);
      if (format.typeOf(table.level, high, low) === EntryType.TABLE) below(childOf(format, table, high, low, page));
    }
  });
}
