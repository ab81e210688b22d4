import { EntryType, toLevel, toVpn } from "@kpkeys/core/contracts";
import type { Level, PageTableFormat, Pfn, PhysicalMemory, Vpn } from "@kpkeys/core/contracts";
import { kernelRangeOf } from "../mm/addresses.js";

/** The shape in which tables are scanned: physically, from the live roots. */
export interface ScanParts {
  /** RAM. */
  readonly memory: PhysicalMemory;
  /** The codec. */
  readonly format: PageTableFormat;
  /** Top-level tables in use: of every CPU and every process. */
  readonly roots: { readonly kernel: Iterable<Pfn>; readonly user: Iterable<Pfn> };
}

/** A table and what it translates. */
export interface TablePlace {
  /** Page-frame number. */
  readonly pfn: Pfn;
  /** Its level. */
  readonly level: Level;
  /** The virtual page that its first entry translates. */
  readonly base: Vpn;
}

/**
 * Visits every table below the roots once, however many roots or entries point to it, each before those below it.
 * @param parts - memory, codec, live roots
 * @param enter - called for each table, with the function to call for each table that it points to
 */
export function eachTable(
  { memory, format, roots }: ScanParts,
  enter: (table: TablePlace, below: (child: TablePlace) => void) => void,
): void {
  const seen = new Set<Pfn>();

  function visit(table: TablePlace): void {
    if (seen.has(table.pfn) || !memory.contains(table.pfn)) return;
    seen.add(table.pfn);
    enter(table, visit);
  }

  const { splitRoots } = format.geometry;
  const kernelBase = splitRoots ? kernelRangeOf(format.geometry).from : toVpn(0);
  for (const pfn of roots.kernel) visit({ pfn, level: toLevel(0), base: kernelBase });
  for (const pfn of roots.user) visit({ pfn, level: toLevel(0), base: toVpn(0) });
}

/**
 * The first virtual page that an entry translates.
 * @param format - the geometry
 * @param table - the table that it is in
 * @param index - its index
 */
export function pageOfEntry({ geometry }: PageTableFormat, { level, base }: TablePlace, index: number): Vpn {
  const { levels, pageShift, splitRoots, addressBits } = geometry;
  const { shift, indexBits } = levels[level]!;
  const page = base + index * 2 ** (shift - pageShift);
  const isUpper = level === 0 && !splitRoots && index >= 2 ** (indexBits - 1);
  return toVpn(isUpper ? page + 2 ** (64 - pageShift) - 2 ** (addressBits - pageShift) : page);
}

/**
 * The tables that a table points to.
 * @param format - the codec
 * @param table - the table, above the last level
 * @param words - its content
 */
export function tablesBelow(format: PageTableFormat, table: TablePlace, words: Int32Array): readonly TablePlace[] {
  const level = toLevel(table.level + 1);
  const children: TablePlace[] = [];
  for (let index = 0; index < words.length / 2; index++) {
    const low = words[2 * index]!;
    const high = words[2 * index + 1]!;
    if ((low | high) === 0 || format.typeOf(table.level, high, low) !== EntryType.TABLE) continue;
    children.push({ pfn: format.pfnOf(high, low), level, base: pageOfEntry(format, table, index) });
  }
  return children;
}

/** Calls back for an entry in use, with the table's level and the virtual page that the entry translates. */
export type EntryVisitor = (level: Level, page: Vpn, high: number, low: number) => void;

/**
 * Visits every entry in use below the roots, in the order of addresses, a table's before those of the tables after it.
 * @param parts - memory, codec, live roots
 * @param visit - called for each
 */
export function visitEntries(parts: ScanParts, visit: EntryVisitor): void {
  const { memory, format } = parts;
  /** A copy of the table that is being read at each level: reading gives a table no content of its own. */
  const copies = format.geometry.levels.map(() => new Int32Array(2 ** (memory.pageShift - 2)));
  eachTable(parts, (table, below) => {
    const words = copies[table.level]!;
    if (!memory.readPage(table.pfn, words)) return;
    for (let index = 0; index < words.length / 2; index++) {
      const low = words[2 * index]!;
      const high = words[2 * index + 1]!;
      if ((low | high) === 0) continue;
      const page = pageOfEntry(format, table, index);
      visit(table.level, page, high, low);
      if (format.typeOf(table.level, high, low) === EntryType.TABLE)
        below({ pfn: format.pfnOf(high, low), level: toLevel(table.level + 1), base: page });
    }
  });
}
