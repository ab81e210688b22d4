import { toVpn } from "@kpkeys/core/contracts";
import type { PageRange, Pfn, Vpn } from "@kpkeys/core/contracts";
import { pageOfAddress } from "../mm/addresses.js";
import { createEachRun } from "../mm/leaf-runs.js";
import type { KernelMm, ProcessParts, UserTables } from "./mm.js";

/** The taking away of user mappings. */
export interface Unmap {
  /**
   * Clears the entries of a range and drops their frames: `zap_page_range`. Does not invalidate translations.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   * @returns number of entries cleared
   */
  zap(mm: KernelMm, start: Vpn, end: Vpn): number;
  /**
   * Zaps a range whose mappings were taken out of the list, frees the tables that serve nobody any more, and invalidates.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   */
  unmapRegion(mm: KernelMm, start: Vpn, end: Vpn): void;
  /**
   * `madvise_dontneed_single_vma`: zaps a range of one mapping, frees the tables with pages that it covers from end to end
   * (CONFIG_PT_RECLAIM, x86 since Linux 6.14: the kernel that recorded decides), and invalidates.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   */
  discard(mm: KernelMm, start: Vpn, end: Vpn): void;
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
  const { lastLevel, spans, counted } = userTables;
  const eachRun = createEachRun(tables, format);
  const userEnd = pageOfAddress(arch.layout.userEnd, pageShift);

  function zap(mm: KernelMm, start: Vpn, end: Vpn): number {
    let cleared = 0;
    tables.walk(
      mm.root,
      { from: start, to: end },
      {
        run(first, count) {
          const { table } = first;
          sections.lock(table);
          lazy.enable();
          eachRun(first, count, (index, length, { high, low }) => {
            tables.clearFullPtes(table, index, length);
            const pfn = format.pfnOf(high, low);
            for (let page = 0; page < length; page++) frames.drop(pfn + page);
            cleared += length;
          });
          lazy.disable();
          sections.unlock(table);
          return undefined;
        },
      },
    );
    return cleared;
  }

  /**
   * `free_pgd_range` and its kin: takes every table out whose whole span lies between floor and ceiling, the nearest pages that a
   * neighbour may still use. The caller gives the tables back after the invalidation, as `tlb_finish_mmu` does.
   */
  function unlinkTables(mm: KernelMm, range: PageRange, floor: Vpn, ceiling: number): readonly Pfn[] {
    const unlinked: Pfn[] = [];
    tables.walk(mm.root, range, {
      leave(entry, below) {
        const span = spans[entry.level]!;
        const base = entry.page - (entry.page % span);
        if (base < floor || base + span > ceiling) return;
        entry.clear();
        unlinked.push(below);
        if (counted[entry.level + 1]!) mm.tablePages--;
      },
    });
    return unlinked;
  }

  return {
    zap,
    unmapRegion(mm, start, end) {
      const cleared = zap(mm, start, end);
      const ceiling = mm.vmas.findAtOrAbove(end)?.start ?? Infinity;
      const unlinked = unlinkTables(mm, { from: start, to: end }, mm.vmas.endBelow(start), ceiling);
      if (cleared > 0 || unlinked.length > 0) tlb.range(start, end - start);
      for (const table of unlinked) tables.freeTable(table);
    },
    discard(mm, start, end) {
      const emptied: Pfn[] = [];
      zap(mm, start, end);
      tables.walk(
        mm.root,
        { from: start, to: end },
        {
          leave(entry, below) {
            if (entry.level !== lastLevel - 1 || entry.pages < spans[entry.level]!) return;
            sections.lock(entry.table);
            entry.clear();
            sections.unlock(entry.table);
            emptied.push(below);
          },
        },
      );
      mm.tablePages -= emptied.length;
      tlb.addressSpace(mm.asid);
      for (const table of emptied) tables.freeTable(table);
    },
    destroy(mm) {
      const unlinked = unlinkTables(mm, { from: toVpn(0), to: userEnd }, toVpn(0), Infinity);
      tlb.addressSpace(mm.asid);
      for (const table of unlinked) tables.freeTable(table);
      tables.freeTable(mm.root);
    },
  };
}
