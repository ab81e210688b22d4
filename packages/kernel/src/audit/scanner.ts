import { EntryType, toPfn, toVpn } from "@kpkeys/core/contracts";
import type { Level, Pfn, PhysicalMemory, ProtectedObject, TableSource, Vpn } from "@kpkeys/core/contracts";
import { Digest } from "./digest.js";
import { eachTable, tablesBelow, visitEntries } from "./table-scan.js";
import type { ScanParts, TablePlace } from "./table-scan.js";

/** A mapping of a page. */
export interface PageAlias {
  /** The virtual page. */
  readonly page: Vpn;
  /** The key of the leaf. */
  readonly pkey: number;
  /** Whether the leaf allows kernel writes, ignoring keys. */
  readonly writable: boolean;
}

/** A page-table page that the scan found. */
export interface ScannedTable {
  /** Page-frame number. */
  readonly pfn: Pfn;
  /** Its level. */
  readonly level: Level;
  /** Its source; `unknown` for a table that the kernel did not allocate. */
  readonly source: TableSource | "unknown";
  /** Its mappings. */
  readonly aliases: readonly PageAlias[];
}

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
  const { memory, format } = parts;
  const { levels, pageShift } = format.geometry;
  const wanted = new Uint8Array(memory.endPfn - memory.firstPfn);
  for (const pfn of found.keys()) wanted[pfn - memory.firstPfn] = 1;

  function note(pfn: Pfn, page: Vpn, high: number, low: number): void {
    if ((wanted[pfn - memory.firstPfn] ?? 0) === 0) return;
    found.get(pfn)!.push({ page, pkey: format.pkeyOf(high, low), writable: format.isWritable(high, low) });
  }

  visitEntries(parts, (level, page, high, low) => {
    if (format.typeOf(level, high, low) !== EntryType.LEAF) return;
    const first = format.pfnOf(high, low);
    const pages = 2 ** (levels[level]!.shift - pageShift);
    for (let i = 0; i < pages; i++) note(toPfn(first + i), toVpn(page + i), high, low);
  });
}

/**
 * Finds all page-table pages and their mappings. Walks all tables from the live roots and does not rely on the kernel's records, so it
 * also finds a table that an attacker linked. Changes nothing and makes no CPU access.
 *
 * @param parts - memory, codec, live roots
 * @param sourceOf - source of a table in the kernel's records
 * @returns the tables, ascending by page-frame number
 */
export function scanTables(parts: ScanParts, sourceOf: (pfn: Pfn) => TableSource | undefined): readonly ScannedTable[] {
  const tables = findTables(parts);
  const aliases = new Map<Pfn, PageAlias[]>(tables.map(({ pfn }) => [pfn, []]));
  findAliases(parts, aliases);
  return tables.map(({ pfn, level }) => ({
    pfn,
    level,
    source: sourceOf(pfn) ?? "unknown",
    aliases: aliases.get(pfn)!,
  }));
}

/**
 * Finds all page-table pages without their mappings. Faster than {@link scanTables}.
 * @param parts - memory, codec, live roots
 * @returns the tables, ascending by page-frame number
 */
export function findTables(parts: ScanParts): readonly Pick<ScannedTable, "pfn" | "level">[] {
  const { memory, format } = parts;
  const lastLevel = format.geometry.levels.length - 1;
  const words = new Int32Array(2 ** (memory.pageShift - 2));
  const tables: TablePlace[] = [];
  eachTable(parts, (table, below) => {
    tables.push(table);
    if (table.level === lastLevel || !memory.readPage(table.pfn, words)) return;
    for (const child of tablesBelow(format, table, words)) below(child);
  });
  return tables.sort((a, b) => a.pfn - b.pfn);
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
export function digestTables(memory: PhysicalMemory, tables: readonly Pick<ScannedTable, "pfn" | "level">[]): string {
  const digest = new Digest();
  const words = new Int32Array(2 ** (memory.pageShift - 2));
  for (const { pfn, level } of tables) {
    digest.add(pfn | 0);
    digest.add(level);
    if (memory.readPage(pfn, words)) for (const word of words) digest.add(word);
  }
  return digest.text();
}
