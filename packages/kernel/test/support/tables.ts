import { EntryType, PageTableFormat, PageTables, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { Mm } from "@kpkeys/core/contracts";
import type { Machine } from "../../src/machine/machine.js";
import { ENTRIES } from "./machine.js";

/** An entry of a table of pages that is in use. */
export interface PresentPage {
  /** Page-frame number that it names, whether it is valid or was only kept. */
  readonly pfn: number;
  /** Whether the MMU takes it for a leaf: false for a page without any right. */
  readonly valid: boolean;
  readonly writable: boolean;
  readonly young: boolean;
  readonly dirty: boolean;
}

/** What an address space's tables hold, read from physical memory. */
export interface UserTables {
  /** Table pages below the top level. */
  readonly tables: readonly number[];
  /** Entries in use by virtual page. */
  readonly pages: ReadonlyMap<number, PresentPage>;
}

/** Reads the user's half of an address space's tables. */
export function readUserTables(machine: Machine, { root }: Pick<Mm, "root">): UserTables {
  const format = machine.get(PageTableFormat);
  const { levels, pageShift } = format.geometry;
  const tables: number[] = [];
  const pages = new Map<number, PresentPage>();

  function readTable(level: number, table: number, base: number): void {
    const words = new Int32Array(2 * ENTRIES);
    if (!machine.memory.readPage(toPfn(table), words)) return;
    const span = 2 ** (levels[level]!.shift - pageShift);
    for (let index = 0; index < (level === 0 ? ENTRIES / 2 : ENTRIES); index++) {
      const low = words[2 * index]!;
      const high = words[2 * index + 1]!;
      if ((low | high) === 0) continue;
      const type = format.typeOf(toLevel(level), high, low);
      if (type === EntryType.TABLE) {
        tables.push(format.pfnOf(high, low));
        readTable(level + 1, format.pfnOf(high, low), base + index * span);
      } else if (format.isPresent(high, low)) {
        pages.set(base + index, {
          pfn: format.pfnOf(high, low),
          valid: type === EntryType.LEAF,
          writable: format.isWritable(high, low),
          young: format.isYoung(high, low),
          dirty: format.isDirty(high, low),
        });
      }
    }
  }

  readTable(0, root, 0);
  return { tables, pages };
}

/** Which source the kernel remembers for each of some tables, and how many have it. */
export function sourcesOf(machine: Machine, tables: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const table of tables) {
    const source = machine.get(PageTables).sourceOf(toPfn(table)) ?? "unknown";
    counts[source] = (counts[source] ?? 0) + 1;
  }
  return counts;
}
