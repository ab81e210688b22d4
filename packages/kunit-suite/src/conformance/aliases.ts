import { AddressSpaces, EntryType, PageTableFormat, PageTables, PhysicalMemory } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";

/** A mapping of a page. */
export interface MappedPage {
  /** The key of the leaf that maps it. */
  readonly pkey: number;
  /** Whether the leaf lets the kernel write, keys aside. */
  readonly writable: boolean;
}

/**
 * Finds every mapping of some pages, by the entries themselves: all tables are walked from the kernel's root and from every
 * process's.
 *
 * @param machine - whose tables are walked
 * @param pfns - the page frames
 * @returns their mappings; every page is there
 */
export function aliasesOf(machine: Machine, pfns: Iterable<number>): ReadonlyMap<number, readonly MappedPage[]> {
  const memory = machine.get(PhysicalMemory);
  const format = machine.get(PageTableFormat);
  const { levels, pageShift } = format.geometry;
  const found = new Map([...pfns].map((pfn): [number, MappedPage[]] => [pfn, []]));
  const seen = new Set<number>();

  function visit(table: number, level: number): void {
    if (seen.has(table) || !memory.contains(table)) return;
    seen.add(table);
    const { shift, indexBits } = levels[level]!;
    for (let index = 0; index < 2 ** indexBits; index++) {
      const high = memory.readHigh(table, index);
      const low = memory.readLow(table, index);
      const type = format.typeOf(level, high, low);
      const pfn = format.pfnOf(high, low);
      if (type === EntryType.TABLE) visit(pfn, level + 1);
      if (type === EntryType.LEAF)
        note(pfn, 2 ** (shift - pageShift), { pkey: format.pkeyOf(high, low), writable: format.isWritable(high, low) });
    }
  }

  function note(first: number, pages: number, mapping: MappedPage): void {
    if (pages === 1) found.get(first)?.push(mapping);
    else for (const [pfn, mappings] of found) if (pfn >= first && pfn < first + pages) mappings.push(mapping);
  }

  for (const root of [machine.get(PageTables).root, ...Array.from(machine.get(AddressSpaces).all, (mm) => mm.root)]) {
    visit(root, 0);
  }
  return found;
}
