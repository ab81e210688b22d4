import { addressText } from "@kpkeys/core";
import { Kpkeys, LinearMap, ProtectedObjects, wordsOf } from "@kpkeys/core/contracts";
import type { Pfn, Pkey, TableSource } from "@kpkeys/core/contracts";
import type { Machine } from "../machine/machine.js";
import { closingKey, widestOpening } from "./openings.js";
import type { OpenAlias, Opening } from "./openings.js";
import type { PageAlias, ScannedTable } from "./scanner.js";

/** Numbers of table pages. */
export interface CoverageCount {
  /** All table pages. */
  pages: number;
  /** Table pages whose writable mappings all have the key that a feature claims for page tables. */
  keyed: number;
  /** Table pages without a writable mapping. */
  readOnly: number;
}

/** Numbers of objects that features protect. */
export interface ObjectCount {
  /** All objects. */
  objects: number;
  /**
   * Objects in pages whose writable mappings all have the key that the feature names, which DEFAULT may not write. If reads are withheld,
   * all mappings have it, and DEFAULT may not read it.
   */
  keyed: number;
  /** Objects in pages without a writable mapping; if reads are withheld, without a mapping. */
  readOnly: number;
}

/** Unprotected table pages or objects of one source and level. A stray write can change them, or a stray read can disclose them. */
export interface CoverageGap {
  /** Source of the table pages, or the feature's name for its objects. */
  readonly source: string;
  /** Linux's name of the level; `object` for objects. */
  readonly level: string;
  /** The mapping that is open: the linear map or another kernel mapping. */
  readonly mapping: "linear" | "other";
  /** The accesses for which it is open: `read` and `read-write` only for objects whose reads are withheld. */
  readonly open: Opening;
  /** Number of pages or objects. */
  pages: number;
  /** The first open address, 16 hexadecimal digits. */
  readonly address: string;
  /** Page-frame number at that address. */
  readonly table: Pfn;
}

/** Protection of table pages and objects, computed from the page-table entries. */
export interface Coverage extends CoverageCount {
  /** By source. Includes every source. */
  readonly bySource: Readonly<Record<TableSource | "unknown", CoverageCount>>;
  /** By the level's name. */
  readonly byLevel: Readonly<Record<string, CoverageCount>>;
  /** Objects that features protect, by the name that the feature gives them. */
  readonly objects: Readonly<Record<string, ObjectCount>>;
  /** Pages and objects that should be protected and are neither keyed nor read-only. */
  readonly gaps: readonly CoverageGap[];
}

/**
 * The key of table pages.
 * @param claims - the features' claims
 * @param kpkeys - the machine's kpkeys API
 * @returns the key that a feature claims; `undefined` if no feature claims one or the CPUs have no kernel pkeys
 */
export function claimedTablePkey(
  claims: ProtectedObjects["claims"],
  kpkeys: Pick<Kpkeys, "supported">,
): Pkey | undefined {
  const claimed = claims.find(({ tablePkey }) => tablePkey !== undefined);
  return kpkeys.supported() ? claimed?.tablePkey : undefined;
}

/**
 * The key that protects a writable mapping of a table page: {@link claimedTablePkey}, if DEFAULT may not write it.
 * @param machine - the machine with the features' claims
 */
export function closingPkey(machine: Pick<Machine, "get">): number | undefined {
  const kpkeys = machine.get(Kpkeys);
  const { pkey, writes } = closingKey(kpkeys, claimedTablePkey(machine.get(ProtectedObjects).claims, kpkeys));
  return writes ? pkey : undefined;
}

/**
 * Whether the table pages of a machine should be protected: if a feature claims them, or no feature claims anything, as with the
 * hardening off. They need not be protected if features claim only objects.
 * @param machine - the machine with the features' claims
 */
export function expectsTables(machine: Pick<Machine, "get">): boolean {
  const { claims } = machine.get(ProtectedObjects);
  return claims.length === 0 || claims.some(({ tablePkey }) => tablePkey !== undefined);
}

/**
 * Counts protected and unprotected table pages and objects. A page is read-only if it has no writable mapping. It is keyed if all its
 * writable mappings have the key that a feature claims, and DEFAULT may not write that key. For an object whose reads are withheld, the
 * read-only mappings count too.
 *
 * @param machine - the machine with the features' claims
 * @param tables - from {@link Machine.scan}
 */
export function coverageOf(machine: Machine, tables: readonly ScannedTable[]): Coverage {
  const closing = { pkey: closingPkey(machine), writes: true, reads: false };
  const bySource = Object.fromEntries(
    (["static", "early", "vmemmap", "kernel", "user", "unknown"] as const).map((source) => [source, newCount()]),
  ) as Record<TableSource | "unknown", CoverageCount>;
  const byLevel = Object.fromEntries(machine.levelNames.map((name) => [name, newCount()]));
  const total = newCount();
  const gaps = new Gaps(machine);
  const expected = expectsTables(machine);

  let previous: Pfn | undefined;
  for (const { pfn, level, source, aliases } of tables) {
    // Roots that share a page are adjacent in the list, and count as one page.
    if (pfn === previous) continue;
    previous = pfn;
    const name = machine.levelNames[level]!;
    const open = widestOpening(aliases, "write", closing);
    const state = stateOf(open, aliases.some(isWritable));
    for (const count of [total, bySource[source], byLevel[name]!]) {
      count.pages++;
      if (state !== "open") count[state]++;
    }
    if (expected && open !== undefined) gaps.add(source, name, pfn, open, 0);
  }
  const objects = coverObjects(machine, gaps);
  return { ...total, bySource, byLevel, objects, gaps: gaps.all() };
}

/** Counts objects. An object is protected as its page is. */
function coverObjects(machine: Machine, gaps: Gaps): Record<string, ObjectCount> {
  const kpkeys = machine.get(Kpkeys);
  const counts: Record<string, ObjectCount> = {};
  for (const { pfn, offset, pkey, source, withholds, aliases } of machine.scanObjects()) {
    const count = (counts[source] ??= { objects: 0, keyed: 0, readOnly: 0 });
    const open = widestOpening(aliases, withholds, closingKey(kpkeys, pkey));
    const state = stateOf(open, withholds === "read-write" ? aliases.length > 0 : aliases.some(isWritable));
    count.objects++;
    if (state !== "open") count[state]++;
    if (open !== undefined) gaps.add(source, "object", pfn, open, offset);
  }
  return counts;
}

/** The protection of a page. @param open - its opening @param needsKey - whether it has a mapping that only a key can close */
function stateOf(open: OpenAlias | undefined, needsKey: boolean): "open" | "keyed" | "readOnly" {
  if (open !== undefined) return "open";
  return needsKey ? "keyed" : "readOnly";
}

function isWritable({ writable }: PageAlias): boolean {
  return writable;
}

/** Collects gaps by source, level, mapping and opening. */
class Gaps {
  private readonly gaps = new Map<string, CoverageGap>();
  private readonly linearMap: LinearMap;
  private readonly pageShift: number;

  constructor(machine: Machine) {
    this.linearMap = machine.get(LinearMap);
    this.pageShift = machine.memory.pageShift;
  }

  /** Adds an open page or object. @param open - its opening @param offset - bytes from the start of the page */
  add(source: string, level: string, table: Pfn, { opening, alias: { page } }: OpenAlias, offset: number): void {
    const { gaps } = this;
    const mapping = this.linearMap.pfnOf(page) !== undefined ? "linear" : "other";
    const id = `${source} ${level} ${mapping} ${opening}`;
    const gap = gaps.get(id);
    if (gap !== undefined) {
      gap.pages++;
      return;
    }
    const { high, low } = wordsOf(page, this.pageShift, offset);
    gaps.set(id, { source, level, mapping, open: opening, pages: 1, address: addressText(high, low), table });
  }

  /** All gaps, in the order in which they were found. */
  all(): readonly CoverageGap[] {
    return [...this.gaps.values()];
  }
}

function newCount(): CoverageCount {
  return { pages: 0, keyed: 0, readOnly: 0 };
}
