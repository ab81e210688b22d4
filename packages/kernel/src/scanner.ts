import { EntryType } from "@kpkeys/core/contracts";
import type { PageTableFormat, PhysicalMemory, ProtectedObject, TableSource } from "@kpkeys/core/contracts";
import { createDigest } from "./digest.js";
import { pageHigh, pageLow } from "./mm/addresses.js";

/** One address at which a page can be reached. */
export interface PageAlias {
  /** Bits 63 to 32 of the page's address. */
  readonly high: number;
  /** Bits 31 to 0 of it. */
  readonly low: number;
  /** The key of the leaf that maps it there. */
  readonly pkey: number;
  /** Whether the leaf lets the kernel write, keys aside. */
  readonly writable: boolean;
}

/** A page-table page that the scan found. */
export interface ScannedTable {
  /** Page-frame number. */
  readonly pfn: number;
  /** Its level, 0 being the top. */
  readonly level: number;
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

/** The shape in which the scan reads tables: physically, from the live roots. */
export interface ScanParts {
  /** RAM. */
  readonly memory: PhysicalMemory;
  /** The codec. */
  readonly format: PageTableFormat;
  /** Top-level tables in use: of every CPU and every process. */
  readonly roots: { readonly kernel: Iterable<number>; readonly user: Iterable<number> };
  /** Where a table came from, as the allocation paths remember. */
  readonly sourceOf: (pfn: number) => TableSource | undefined;
}

/** Calls back for every entry in use, with the level and the virtual page that it translates. */
export type EntryVisitor = (level: number, page: number, high: number, low: number) => void;

/**
 * Visits every entry below the roots once, however many roots share a table.
 * @param parts - memory, codec, live roots
 * @param enterTable - called for each table with its level
 * @param visit - called for each entry in use
 */
export function visitEntries(
  { memory, format, roots }: Omit<ScanParts, "sourceOf">,
  enterTable: (pfn: number, level: number) => void,
  visit: EntryVisitor,
): void {
  const { levels, pageShift, addressBits, splitRoots } = format.geometry;
  const seen = new Uint8Array(memory.endPfn - memory.firstPfn);
  const upperHalf = 2 ** (64 - pageShift) - 2 ** (addressBits - pageShift);

  function visitTable(level: number, pfn: number, base: number): void {
    if (!memory.contains(pfn) || seen[pfn - memory.firstPfn] !== 0) return;
    seen[pfn - memory.firstPfn] = 1;
    enterTable(pfn, level);
    const offset = memory.contentOffset(pfn);
    if (offset < 0) return;
    const { shift, indexBits } = levels[level]!;
    const span = 2 ** (shift - pageShift);
    const entries = 2 ** indexBits;
    for (let index = 0; index < entries; index++) {
      const low = memory.words[offset + 2 * index]!;
      const high = memory.words[offset + 2 * index + 1]!;
      if ((low | high) === 0) continue;
      let page = base + index * span;
      if (level === 0 && !splitRoots && index >= entries / 2) page += upperHalf;
      visit(level, page, high, low);
      if (format.typeOf(level, high, low) === EntryType.TABLE) visitTable(level + 1, format.pfnOf(high, low), page);
    }
  }

  for (const root of roots.kernel) visitTable(0, root, splitRoots ? upperHalf : 0);
  for (const root of roots.user) visitTable(0, root, 0);
}

/**
 * Finds every mapping of some pages.
 * @param parts - memory, codec, live roots
 * @param found - takes the mappings; its keys say of which pages, by page-frame number
 */
function findAliases(parts: Omit<ScanParts, "sourceOf">, found: ReadonlyMap<number, PageAlias[]>): void {
  const { memory, format } = parts;
  const { levels, pageShift } = format.geometry;
  const wanted = new Uint8Array(memory.endPfn - memory.firstPfn);
  for (const pfn of found.keys()) wanted[pfn - memory.firstPfn] = 1;

  function note(pfn: number, page: number, high: number, low: number): void {
    if ((wanted[pfn - memory.firstPfn] ?? 0) === 0) return;
    found.get(pfn)!.push({
      high: pageHigh(page, pageShift),
      low: pageLow(page, pageShift),
      pkey: format.pkeyOf(high, low),
      writable: format.isWritable(high, low),
    });
  }

  visitEntries(
    parts,
    () => undefined,
    (level, page, high, low) => {
      if (format.typeOf(level, high, low) !== EntryType.LEAF) return;
      const first = format.pfnOf(high, low);
      const pages = 2 ** (levels[level]!.shift - pageShift);
      for (let i = 0; i < pages; i++) note(first + i, page + i, high, low);
    },
  );
}

/**
 * Finds every page-table page and every mapping of it. From the live roots it walks all tables, whoever made them, and trusts no
 * register of table pages: a table linked in behind the kernel's back is found too. Nothing is changed and no access is made.
 *
 * @param parts - what is scanned
 * @returns the tables, ascending by page-frame number
 */
export function scanTables(parts: ScanParts): readonly ScannedTable[] {
  const { sourceOf } = parts;
  const levelOf = new Map<number, number>();
  const aliases = new Map<number, PageAlias[]>();
  visitEntries(
    parts,
    (pfn, level) => {
      levelOf.set(pfn, level);
      aliases.set(pfn, []);
    },
    () => undefined,
  );
  findAliases(parts, aliases);
  return [...aliases]
    .map(([pfn, found]) => ({
      pfn,
      level: levelOf.get(pfn)!,
      source: sourceOf(pfn) ?? ("unknown" as const),
      aliases: found,
    }))
    .sort((a, b) => a.pfn - b.pfn);
}

/**
 * Finds every mapping of the pages in which protected objects lie.
 *
 * @param parts - what is scanned
 * @param objects - what features say they protect
 * @returns the objects in their order
 */
export function scanObjects(
  parts: Omit<ScanParts, "sourceOf">,
  objects: Iterable<ProtectedObject>,
): readonly ScannedObject[] {
  const all = [...objects];
  const aliases = new Map<number, PageAlias[]>(all.map(({ pfn }) => [pfn, []]));
  if (all.length > 0) findAliases(parts, aliases);
  return all.map((object) => ({ ...object, aliases: aliases.get(object.pfn)! }));
}

/**
 * A digest of the content of page tables: equal for machines whose tables are equal, word by word and place by place.
 * @param memory - RAM
 * @param tables - the tables, ascending
 * @returns 16 hexadecimal digits
 */
export function digestTables(memory: PhysicalMemory, tables: readonly ScannedTable[]): string {
  const digest = createDigest();
  const words = 2 ** (memory.pageShift - 2);
  for (const { pfn, level } of tables) {
    digest.add(pfn | 0);
    digest.add(level);
    const offset = memory.contentOffset(pfn);
    if (offset >= 0) for (let i = 0; i < words; i++) digest.add(memory.words[offset + i]!);
  }
  return digest.text();
}
