import { EntryType, toPfn, toVpn } from "@kpkeys/core/contracts";
import type { Level, Pfn, PhysicalMemory, ProtectedObject, TableSource, Vpn } from "@kpkeys/core/contracts";
import { Digest } from "./digest.js";
import { eachTable, idOf, readTable, tablesBelow, visitEntries } from "./table-scan.js";
import type { ScanParts, TablePlace } from "./table-scan.js";

/** A mapping of a page. The kernel can read through each of them. */
export interface PageAlias {
  /** The virtual page. */
  readonly page: Vpn;
  /** The key of the leaf. */
  readonly pkey: number;
  /** Whether the leaf allows kernel writes, ignoring keys. */
  readonly writable: boolean;
  /** Whether the leaf allows user accesses, to which the kernel's keys do not apply. */
  readonly user: boolean;
}

/** A page-table page that the scan found. */
export interface ScannedTable {
  /** Page-frame number. */
  readonly pfn: Pfn;
  /** Index of its first entry in the page: 0 except for a user's root smaller than a page, which shares its page. */
  readonly first: number;
  /** Number of its entries. */
  readonly entries: number;
  /** Its level. */
  readonly level: Level;
  /** Its source; `unknown` for a table that the kernel did not allocate. */
  readonly source: TableSource | "unknown";
  /** Its mappings. */
  readonly aliases: readonly PageAlias[];
}

/** A page-table page without its mappings. */
export type FoundTable = Pick<ScannedTable, "pfn" | "first" | "entries" | "level">;

/** A protected object of a feature, with its mappings. */
export interface ScannedObject extends ProtectedObject {
  /** Mappings of its page. */
  readonly aliases: readonly PageAlias[];
}

/**
 * Finds all mappings of given pages.
 * @param parts - memory, codec, live roots
 * @param found - has the page-frame numbers as keys; receives the mappings
 */
function findAliases(parts: ScanParts, found: ReadonlyMap<Pfn, PageAlias[]>): void {
  const { memory, format, pageKeys } = parts;
  const { levels, pageShift } = format.geometry;
  const wanted = new Uint8Array(memory.endPfn - memory.firstPfn);
  for (const pfn of found.keys()) wanted[pfn - memory.firstPfn] = 1;

  /** Adds the mapping of page number `i` of a leaf. */
  function note(pfn: Pfn, page: Vpn, high: number, low: number, i: number): void {
    if ((wanted[pfn - memory.firstPfn] ?? 0) === 0) return;
    found.get(pfn)!.push({
      page,
      pkey: pageKeys.ofLeaf(high, low, i),
      writable: format.isWritable(high, low),
      user: format.isUser(high, low),
    });
  }

  visitEntries(parts, (level, page, high, low) => {
    if (format.typeOf(level, high, low) !== EntryType.LEAF) return;
    const first = format.pfnOf(high, low);
    const pages = 2 ** (levels[level]!.shift - pageShift);
    for (let i = 0; i < pages; i++) note(toPfn(first + i), toVpn(page + i), high, low, i);
  });
}

/**
 * Finds all page-table pages and their mappings. Walks all tables from the live roots and does not rely on the kernel's records, so it
 * also finds a table that an attacker linked. Changes nothing and makes no CPU access.
 *
 * @param parts - memory, codec, live roots
 * @param sourceOf - source of a table in the kernel's records
 * @returns the tables, ascending by page-frame number and index in the page
 */
export function scanTables(parts: ScanParts, sourceOf: (pfn: Pfn) => TableSource | undefined): readonly ScannedTable[] {
  const tables = findTables(parts);
  const aliases = new Map<Pfn, PageAlias[]>(tables.map(({ pfn }) => [pfn, []]));
  findAliases(parts, aliases);
  return tables.map(({ pfn, first, entries, level }) => ({
    pfn,
    first,
    entries,
    level,
    source: sourceOf(pfn) ?? "unknown",
    aliases: aliases.get(pfn)!,
  }));
}

/**
 * Finds all page-table pages without their mappings. Faster than {@link scanTables}.
 * @param parts - memory, codec, live roots
 * @returns the tables, ascending by page-frame number and index in the page
 */
export function findTables(parts: ScanParts): readonly FoundTable[] {
  const { memory, format } = parts;
  const lastLevel = format.geometry.levels.length - 1;
  const page = new Int32Array(2 ** (memory.pageShift - 2));
  const tables: TablePlace[] = [];
  eachTable(parts, (table, below) => {
    tables.push(table);
    const words = table.level === lastLevel ? undefined : readTable(memory, table, page);
    if (words === undefined) return;
    for (const child of tablesBelow(format, table, words)) below(child);
  });
  return tables.sort((a, b) => idOf(memory, a) - idOf(memory, b));
}

/**
 * Finds all mappings of the pages of protected objects.
 *
 * @param parts - memory, codec, live roots
 * @param objects - the protected objects
 * @returns the objects in the same order, with their mappings
 */
export function scanObjects(parts: ScanParts, objects: Iterable<ProtectedObject>): readonly ScannedObject[] {
  const all = [...objects];
  const aliases = new Map<Pfn, PageAlias[]>(all.map(({ pfn }) => [pfn, []]));
  if (all.length > 0) findAliases(parts, aliases);
  return all.map((object) => ({ ...object, aliases: aliases.get(object.pfn)! }));
}

/**
 * A digest of the contents and addresses of page tables.
 * @param memory - RAM
 * @param tables - the tables, ascending
 * @returns 16 hexadecimal digits
 */
export function digestTables(memory: PhysicalMemory, tables: readonly FoundTable[]): string {
  const digest = new Digest();
  const page = new Int32Array(2 ** (memory.pageShift - 2));
  for (const table of tables) {
    digest.add(table.pfn | 0);
    digest.add(table.level | (table.first << 3));
    for (const word of readTable(memory, table, page) ?? []) digest.add(word);
  }
  return digest.text();
}
