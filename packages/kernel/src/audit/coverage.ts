import { addressText } from "@kpkeys/core";
import { Kpkeys, LinearMap, ProtectedObjects, wordsOf } from "@kpkeys/core/contracts";
import type { Pfn, TableSource, Vpn } from "@kpkeys/core/contracts";
import type { Machine } from "../machine/machine.js";
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

/** Numbers of objects that features say they protect. */
export interface ObjectCount {
  /** All. */
  objects: number;
  /** Of which every writable mapping of their page carries the key that the feature names. */
  keyed: number;
  /** Which no mapping lets anybody write. */
  readOnly: number;
}

/** Table pages, or objects, that are open to a stray write, of one source and level. */
export interface CoverageGap {
  /** Where the table pages came from, or what the feature calls its objects. */
  readonly source: string;
  /** Linux's name of the level; `object` for what is no table. */
  readonly level: string;
  /** Which mapping is open: the linear map, or another one of the kernel's. */
  readonly mapping: "linear" | "other";
  /** Number of pages, or of objects. */
  pages: number;
  /** The first open address, 16 hexadecimal digits. */
  readonly address: string;
  /** Page-frame number of the page there. */
  readonly table: Pfn;
}

/** What is protected, by the entries themselves. */
export interface Coverage extends CoverageCount {
  /** By source; every source is there. */
  readonly bySource: Readonly<Record<TableSource | "unknown", CoverageCount>>;
  /** By the level's name. */
  readonly byLevel: Readonly<Record<string, CoverageCount>>;
  /** Objects that features say they protect, by what they call them. */
  readonly objects: Readonly<Record<string, ObjectCount>>;
  /** Pages and objects that should be protected and are neither keyed nor read-only; empty when all are. */
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
 * Whether the table pages of a machine should be protected: a feature claims them, or nobody claims anything, as where the hardening
 * is off. A machine whose features claim other things alone promises nothing of its tables.
 * @param machine - whose claims count
 */
export function expectsTables(machine: Pick<Machine, "get">): boolean {
  const { claims } = machine.get(ProtectedObjects);
  return claims.length === 0 || claims.some(({ tablePkey }) => tablePkey !== undefined);
}

/**
 * Tells the pages and objects that are protected from those that are not. A mapping is closed when it is not writable or carries the
 * key that a feature claims; a page is read-only when no mapping is writable, keyed when every writable one has the key.
 *
 * @param machine - whose claims count
 * @param tables - from {@link Machine.scan}
 */
export function coverageOf(machine: Machine, tables: readonly ScannedTable[]): Coverage {
  const closes = closingPkey(machine);
  const bySource = Object.fromEntries(
    (["static", "early", "vmemmap", "kernel", "user", "unknown"] as const).map((source) => [source, newCount()]),
  ) as Record<TableSource | "unknown", CoverageCount>;
  const byLevel = Object.fromEntries(machine.levelNames.map((name) => [name, newCount()]));
  const total = newCount();
  const gaps = createGaps(machine);
  const expected = expectsTables(machine);

  for (const { pfn, level, source, aliases } of tables) {
    const name = machine.levelNames[level]!;
    const { open, state } = judge(aliases, closes);
    for (const count of [total, bySource[source], byLevel[name]!]) {
      count.pages++;
      if (state !== "open") count[state]++;
    }
    if (expected && open !== undefined) gaps.note(source, name, pfn, open.page, 0);
  }
  const objects = coverObjects(machine, gaps);
  return { ...total, bySource, byLevel, objects, gaps: gaps.all() };
}

/** The same for objects: each is protected as the page is in which it lies. */
function coverObjects(machine: Machine, gaps: Gaps): Record<string, ObjectCount> {
  const supported = machine.get(Kpkeys).supported();
  const counts: Record<string, ObjectCount> = {};
  for (const { pfn, offset, pkey, source, aliases } of machine.scanObjects()) {
    const count = (counts[source] ??= { objects: 0, keyed: 0, readOnly: 0 });
    const { open, state } = judge(aliases, supported ? pkey : undefined);
    count.objects++;
    if (state !== "open") count[state]++;
    if (open !== undefined) gaps.note(source, "object", pfn, open.page, offset);
  }
  return counts;
}

/** What the mappings of a page come to; `open` is the first that anybody can write through. */
function judge(
  aliases: readonly PageAlias[],
  closes: number | undefined,
): { readonly state: "open" | "keyed" | "readOnly"; readonly open?: PageAlias } {
  const open = aliases.find(({ writable, pkey }) => writable && pkey !== closes);
  if (open !== undefined) return { state: "open", open };
  return { state: aliases.some(({ writable }) => writable) ? "keyed" : "readOnly" };
}

/** Gaps by source, level and mapping. */
interface Gaps {
  /** Notes an open page or object. @param page - the virtual page that it is in @param offset - bytes from there */
  note(source: string, level: string, pfn: Pfn, page: Vpn, offset: number): void;
  /** All noted. */
  all(): CoverageGap[];
}

function createGaps(machine: Machine): Gaps {
  const linearMap = machine.get(LinearMap);
  const { pageShift } = machine.memory;
  const gaps = new Map<string, CoverageGap>();
  return {
    note(source, level, table, page, offset) {
      const mapping = linearMap.pfnOf(page) !== undefined ? "linear" : "other";
      const id = `${source} ${level} ${mapping}`;
      const gap = gaps.get(id);
      const address = wordsOf(page, pageShift, offset);
      if (gap !== undefined) gap.pages++;
      else
        gaps.set(id, {
          source,
          level,
          mapping,
          pages: 1,
          address: addressText(address.high, address.low),
          table,
        });
    },
    all: () => [...gaps.values()],
  };
}

function newCount(): CoverageCount {
  return { pages: 0, keyed: 0, readOnly: 0 };
}
