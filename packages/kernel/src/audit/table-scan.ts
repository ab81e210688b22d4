import { EntryType, toLevel, toVpn } from "@kpkeys/core/contracts";
import type { Level, PageTableFormat, Pfn, PhysicalMemory, Vpn } from "@kpkeys/core/contracts";
import { kernelRangeOf } from "../mm/addresses.js";

/** Inputs of a scan. It reads tables physically, from the live roots. */
export interface ScanParts {
  /** RAM. */
  readonly memory: PhysicalMemory;
  /** The codec. */
  readonly format: PageTableFormat;
  /** Top-level tables in use by CPUs and processes. */
  readonly roots: { readonly kernel: Iterable<Pfn>; readonly user: Iterable<Pfn> };
}

/** A table and the addresses that it translates. */
export interface TablePlace {
  /** Page-frame number. */
  readonly pfn: Pfn;
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

/**
 * The tables that a table points to.
 * @param format - the codec
 * @param table - the table, above the last level
 * @param words - contents of the table
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

/** Receives a non-empty entry, its level and the first virtual page that it translates. */
export type EntryVisitor = (level: Level, page: Vpn, high: number, low: number) => void;

/**
 * Visits the non-empty entries of all tables reachable from the roots, in address order.
 * @param parts - memory, codec, live roots
 * @param visit - called for each entry
 */
export function visitEntries(parts: ScanParts, visit: EntryVisitor): void {
  const { memory, format } = parts;
  /** Buffers for the current table of each level. `readPage` does not materialise the page. */
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
