import { Kpkeys, LinearMap, ProtectedObjects } from "@kpkeys/core/contracts";
import type { TableSource } from "@kpkeys/core/contracts";
import type { Machine } from "./machine.js";
import type { PageAlias, ScannedTable } from "./scanner.js";

/** Numbers of table pages. */
export interface CoverageCount {
  /** All. */
  pages: number;
  /** Of which every writable mapping carries the key that a feature claims for page tables. */
  keyed: number;
  /** Which no mapping lets anybody write. */
  readOnly: number;
}

/** Table pages that are open to a stray write, of one source and level. */
export interface CoverageGap {
  /** Where they came from. */
  readonly source: TableSource | "unknown";
  /** Linux's name of the level. */
  readonly level: string;
  /** Which mapping is open: the linear map, or another one of the kernel's. */
  readonly mapping: "linear" | "other";
  /** Number of pages. */
  pages: number;
  /** The first open address, 16 hexadecimal digits. */
  readonly address: string;
  /** Page-frame number of the table page there. */
  readonly table: number;
}

/** What is protected, by the entries themselves. */
export interface Coverage extends CoverageCount {
  /** By source; every source is there. */
  readonly bySource: Readonly<Record<TableSource | "unknown", CoverageCount>>;
  /** By the level's name. */
  readonly byLevel: Readonly<Record<string, CoverageCount>>;
  /** Pages that are neither keyed nor read-only; empty when all are. */
  readonly gaps: readonly CoverageGap[];
}

/**
 * The key that closes a writable mapping of a table page: the one that a feature claims, where CPUs have kernel pkeys.
 * @param machine - whose claims count
 */
export function closingPkey(machine: Pick<Machine, "get">): number | undefined {
  const claimed = machine.get(ProtectedObjects).claims.find(({ tablePkey }) => tablePkey !== undefined);
  return machine.get(Kpkeys).supported() ? claimed?.tablePkey : undefined;
}

/**
 * Tells the pages that are protected from those that are not. A mapping is closed when it is not writable or carries the key
 * that a feature claims; a page is read-only when no mapping is writable, keyed when every writable one has the key.
 *
 * @param machine - whose claims count
 * @param tables - from {@link Machine.scan}
 */
export function coverageOf(machine: Machine, tables: readonly ScannedTable[]): Coverage {
  const linearMap = machine.get(LinearMap);
  const closes = closingPkey(machine);
  const bySource = Object.fromEntries(
    (["static", "early", "vmemmap", "kernel", "user", "unknown"] as const).map((source) => [source, newCount()]),
  ) as Record<TableSource | "unknown", CoverageCount>;
  const byLevel = Object.fromEntries(machine.levelNames.map((name) => [name, newCount()]));
  const total = newCount();
  const gaps = new Map<string, CoverageGap>();

  const isOpen = (alias: PageAlias): boolean => alias.writable && alias.pkey !== closes;

  for (const { pfn, level, source, aliases } of tables) {
    const name = machine.levelNames[level]!;
    const open = aliases.find(isOpen);
    const readOnly = !aliases.some(({ writable }) => writable);
    for (const count of [total, bySource[source], byLevel[name]!]) {
      count.pages++;
      if (readOnly) count.readOnly++;
      else if (open === undefined) count.keyed++;
    }
    if (open === undefined) continue;
    const mapping = linearMap.pfnOf(open.high, open.low) >= 0 ? "linear" : "other";
    const id = `${source} ${name} ${mapping}`;
    const gap = gaps.get(id);
    if (gap !== undefined) gap.pages++;
    else
      gaps.set(id, { source, level: name, mapping, pages: 1, address: addressText(open.high, open.low), table: pfn });
  }
  return { ...total, bySource, byLevel, gaps: [...gaps.values()] };
}

function newCount(): CoverageCount {
  return { pages: 0, keyed: 0, readOnly: 0 };
}

/**
 * An address as the kernel prints it: 16 hexadecimal digits.
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 */
export function addressText(high: number, low: number): string {
  const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
  return hex(high) + hex(low);
}
