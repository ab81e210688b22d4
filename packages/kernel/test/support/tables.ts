import { EntryType, PageTableFormat, PageTables, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { Mm } from "@kpkeys/core/contracts";
import type { Machine } from "../../src/machine/machine.js";
import { ENTRIES } from "./machine.js";

/** A present entry of a last-level table. */
export interface PresentPage {
  /** Its page-frame number. */
  readonly pfn: number;
  /** Whether it is a leaf for the MMU; false for a page without rights. */
  readonly valid: boolean;
  readonly writable: boolean;
  readonly young: boolean;
  readonly dirty: boolean;
}

/** The tables and entries of an address space. */
export interface UserTables {
  /** Table pages below the top level. */
  readonly tables: readonly number[];
  /** Present entries by virtual page. */
  readonly pages: ReadonlyMap<number, PresentPage>;
}

/** Reads the user tables of an address space from physical memory. */
export function readUserTables(machine: Machine, { root }: Pick<Mm, "root">): UserTables {
  const format = machine.get(PageTableFormat);
  const { levels, pageShift } = format.geometry;
  const tables: number[] = [];
  const pages = new Map<number, PresentPage>();

  function readTable(level: number, table: number, base: number): void {
    const words = new Int32Array(2 * ENTRIES);
    if (!machine.memory.readTable(toPfn(table), words)) return;
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

/** Number of tables by source, as recorded by the kernel. */
export function sourcesOf(machine: Machine, tables: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const table of tables) {
    const source = machine.get(PageTables).sourceOf(toPfn(table)) ?? "unknown";
    counts[source] = (counts[source] ?? 0) + 1;
  }
  return counts;
}
