import { EntryType } from "@kpkeys/core/contracts";
import { pageHigh, pageLow, pageOfAddress } from "../mm/addresses.js";
import { createEachRun } from "../mm/leaf-runs.js";
import type { KernelMm, ProcessParts, UserTables } from "./mm.js";

// What is imported is loaded each time; what stands here is folded.
const { TABLE } = EntryType;

/** The taking away of user mappings. */
export interface Unmap {
  /**
   * Clears the entries of a range and drops their frames: `zap_page_range`. Does not invalidate translations.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   * @returns number of entries cleared
   */
  zap(mm: KernelMm, start: number, end: number): number;
  /**
   * Zaps a range whose mappings were taken out of the list, frees the tables that serve nobody any more, and invalidates.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   */
  unmapRegion(mm: KernelMm, start: number, end: number): void;
  /**
   * `madvise_dontneed_single_vma`: zaps a range of one mapping, frees the tables with pages that it covers from end to end
   * (CONFIG_PT_RECLAIM, x86 since Linux 6.14: the kernel that recorded decides), and invalidates.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   */
  discard(mm: KernelMm, start: number, end: number): void;
  /**
   * Frees all tables and the top-level one: the end of `exit_mmap`. All mappings are gone.
   * @param mm - the address space
   */
  destroy(mm: KernelMm): void;
}

/** Makes it. @param parts - what it is made with @param userTables - the walk */
export function createUnmap(parts: ProcessParts, userTables: UserTables): Unmap {
  const { format, tables, frames, tlb, arch, lazy, sections } = parts;
  const { pageShift } = format.geometry;
  const { lastLevel, spans } = userTables;
  const eachRun = createEachRun(tables, format);
  const userEnd = pageOfAddress(arch.layout.userEnd, pageShift);

  function zap(mm: KernelMm, start: number, end: number): number {
    let cleared = 0;
    userTables.eachTable(mm, start, end, (table, from, to) => {
      sections.lock(table);
      lazy.enable();
      eachRun(table, from, to, (index, count, high, low) => {
        tables.clearFullPtes(table, index, count);
        const pfn = format.pfnOf(high, low);
        for (let page = 0; page < count; page++) frames.drop(pfn + page);
        cleared += count;
      });
      lazy.disable();
      sections.unlock(table);
    });
    return cleared;
  }

  /**
   * `free_pgd_range` and its kin: takes every table below one of this level out whose whole span lies between floor and
   * ceiling, the nearest pages that a neighbour may still use.
   * @returns how many of them an address space counts
   */
  function unlinkTables(
    level: number,
    table: number,
    start: number,
    end: number,
    floor: number,
    ceiling: number,
    freed: number[],
  ): number {
    let counted = 0;
    const span = spans[level]!;
    for (let page = start; page < end;) {
      const base = Math.floor(page / span) * span;
      const next = Math.min(end, base + span);
      const index = format.index(level, pageHigh(page, pageShift), pageLow(page, pageShift));
      tables.read(table, index);
      if (format.typeOf(level, tables.entryHigh, tables.entryLow) === TABLE) {
        const child = format.pfnOf(tables.entryHigh, tables.entryLow);
        if (level + 1 < lastLevel) counted += unlinkTables(level + 1, child, page, next, floor, ceiling, freed);
        if (base >= floor && base + span <= ceiling) {
          tables.setEntry(level, table, index, 0, 0);
          freed.push(child);
          if (userTables.counted[level + 1]!) counted++;
        }
      }
      page = next;
    }
    return counted;
  }

  /** The order of `tlb_finish_mmu`: invalidate first, then give the tables back. */
  function freeTables(mm: KernelMm, start: number, end: number, floor: number, ceiling: number): readonly number[] {
    const freed: number[] = [];
    mm.tablePages -= unlinkTables(0, mm.root, start, end, floor, ceiling, freed);
    return freed;
  }

  return {
    zap,
    unmapRegion(mm, start, end) {
      const cleared = zap(mm, start, end);
      const ceiling = mm.vmas.findAtOrAbove(end)?.start ?? Infinity;
      const freed = freeTables(mm, start, end, mm.vmas.endBelow(start), ceiling);
      if (cleared > 0 || freed.length > 0)
        tlb.range(pageHigh(start, pageShift), pageLow(start, pageShift), end - start);
      for (const table of freed) tables.freeTable(table);
    },
    discard(mm, start, end) {
      const emptied: number[] = [];
      const level = lastLevel - 1;
      const span = spans[level]!;
      zap(mm, start, end);
      userTables.eachTable(mm, start, end, (table, from, to, page) => {
        if (to - from < span) return;
        const above = tables.tableAt(mm.root, level, pageHigh(page, pageShift), pageLow(page, pageShift));
        sections.lock(above);
        tables.setEntry(level, above, format.index(level, pageHigh(page, pageShift), pageLow(page, pageShift)), 0, 0);
        sections.unlock(above);
        emptied.push(table);
      });
      mm.tablePages -= emptied.length;
      tlb.addressSpace(mm.asid);
      for (const table of emptied) tables.freeTable(table);
    },
    destroy(mm) {
      const freed = freeTables(mm, 0, userEnd, 0, Infinity);
      tlb.addressSpace(mm.asid);
      for (const table of freed) tables.freeTable(table);
      tables.freeTable(mm.root);
    },
  };
}
