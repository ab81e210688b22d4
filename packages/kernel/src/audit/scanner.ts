import { EntryType, toPfn, toVpn } from "@kpkeys/core/contracts";
import type { Level, Pfn, PhysicalMemory, ProtectedObject, TableSource, Vpn } from "@kpkeys/core/contracts";
import { Digest } from "./digest.js";
import { eachTable, tablesBelow, visitEntries } from "./table-scan.js";
import type { ScanParts, TablePlace } from "./table-scan.js";

/** One address at which a page can be reached. */
export interface PageAlias {
  /** The virtual page there. */
  readonly page: Vpn;
  /** The key of the leaf that maps it there. */
  readonly pkey: number;
  /** Whether the leaf lets the kernel write, keys aside. */
  readonly writable: boolean;
}

/** A page-table page that the scan found. */
export interface ScannedTable {
  /** Page-frame number. */
  readonly pfn: Pfn;
  /** Its level. */
  readonly level: Level;
  /** Where it came from; `unknown` for a table that no allocation path made. */
  readonly source: TableSource | "unknown";
  /** Every mapping of it. */
  readonly aliases: readonly PageAlias[];
}

/** An object that a feature says it protects, as the scan found it. */
export interface ScannedObject extends ProtectedObject {
  /** Every mapping of the page in which it lies. */
  readonly aliases: readonly PageAlias[];
}

/**
 * Finds every mapping of some pages.
 * @param parts - memory, codec, live roots
 * @param found - takes the mappings; its keys say of which pages, by page-frame number
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
 * Finds every page-table page and every mapping of it. From the live roots it walks all tables, whoever made them, and trusts no
 * register of table pages: a table linked in behind the kernel's back is found too. Nothing is changed and no access is made.
 *
 * @param parts - what is scanned
 * @param sourceOf - where a table came from, as the allocation paths remember
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
 * Finds every page-table page, but not where it is mapped: quicker than {@link scanTables}.
 * @param parts - what is scanned
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
 * Finds every mapping of the pages in which protected objects lie.
 *
 * @param parts - what is scanned
 * @param objects - what features say they protect
 * @returns the objects in their order
 */
export function scanObjects(parts: ScanParts, objects: Iterable<ProtectedObject>): readonly ScannedObject[] {
  const all = [...objects];
  const aliases = new Map<Pfn, PageAlias[]>(all.map(({ pfn }) => [pfn, []]));
  if (all.length > 0) findAliases(parts, aliases);
  return all.map((object) => ({ ...object, aliases: aliases.get(object.pfn)! }));
}

/**
 * A digest of the content of page tables: equal for machines whose tables are equal, word by word and place by place.
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
