import { EntryType, Errno } from "@kpkeys/core/contracts";
import { pageHigh, pageLow } from "../mm/addresses.js";
import type { KernelMm, ProcessParts, UserTables } from "./mm.js";
import { leafProtection } from "./protection.js";
import type { Unmap } from "./unmap.js";
import type { Vma } from "./vma.js";

/** Changes of mappings that keep their pages. */
export interface Remap {
  /** See {@link AddressSpaces.mprotect}. */
  mprotect(mm: KernelMm, page: number, pages: number, prot: number): number;
  /** See {@link AddressSpaces.mremap}. */
  mremap(mm: KernelMm, page: number, pages: number, newPage: number, newPages: number): number;
}

/** Makes them. @param parts - what they are made with @param userTables - the walk @param unmap - takes old ranges away */
export function createRemap(parts: ProcessParts, userTables: UserTables, unmap: Unmap): Remap {
  const { format, tables, frames, tlb, lazy, sections } = parts;
  const { pageShift } = format.geometry;
  const { lastLevel, entries } = userTables;
  const entry = { high: 0, low: 0 };

  /** `change_pte_range`: an exclusive page of a private mapping becomes writable at once, others on their next write. */
  function changeProtection(mm: KernelMm, vma: Vma): void {
    userTables.eachTable(mm, vma.start, vma.end, (table, from, to) => {
      sections.lock(table);
      lazy.enable();
      for (let index = from; index < to; index++) {
        tables.read(table, index);
        if (!format.isPresent(tables.entryHigh, tables.entryLow)) continue;
        tables.ptepGetAndClear(table, index);
        entry.high = tables.entryHigh;
        entry.low = tables.entryLow;
        const writable = vma.shared || frames.isExclusive(format.pfnOf(entry.high, entry.low));
        format.reprotect(entry, leafProtection(format, vma, writable));
        tables.setPte(table, index, entry.high, entry.low);
      }
      lazy.disable();
      sections.unlock(table);
    });
  }

  /** A table that entries move within is locked once. */
  function lockBoth(source: number, target: number): void {
    sections.lock(source);
    if (target !== source) sections.lock(target);
  }

  function unlockBoth(source: number, target: number): void {
    if (target !== source) sections.unlock(target);
    sections.unlock(source);
  }

  /** `move_normal_pmd`: a whole table changes its place when both places are aligned and the new one is empty. */
  function moveTable(mm: KernelMm, from: number, to: number): boolean {
    const level = lastLevel - 1;
    const source = tables.tableAt(mm.root, level, pageHigh(from, pageShift), pageLow(from, pageShift));
    if (source < 0) return true;
    const index = format.index(level, pageHigh(from, pageShift), pageLow(from, pageShift));
    tables.read(source, index);
    if (format.typeOf(level, tables.entryHigh, tables.entryLow) !== EntryType.TABLE) return true;
    const { entryHigh, entryLow } = tables;
    if (tables.tableAt(mm.root, lastLevel, pageHigh(to, pageShift), pageLow(to, pageShift)) >= 0) return false;
    const target = userTables.ensureUpper(mm, to);
    lockBoth(source, target);
    tables.setEntry(level, source, index, 0, 0);
    tlb.range(pageHigh(from, pageShift), pageLow(from, pageShift), entries);
    tables.setEntry(
      level,
      target,
      format.index(level, pageHigh(to, pageShift), pageLow(to, pageShift)),
      entryHigh,
      entryLow,
    );
    unlockBoth(source, target);
    return true;
  }

  /** `move_ptes`: entry by entry. */
  function movePages(mm: KernelMm, from: number, to: number, pages: number): void {
    const source = tables.tableAt(mm.root, lastLevel, pageHigh(from, pageShift), pageLow(from, pageShift));
    if (source < 0) return;
    const target = userTables.ensure(mm, to);
    const first = format.index(lastLevel, pageHigh(from, pageShift), pageLow(from, pageShift));
    const newFirst = format.index(lastLevel, pageHigh(to, pageShift), pageLow(to, pageShift));
    lockBoth(source, target);
    lazy.enable();
    for (let i = 0; i < pages; i++) {
      tables.read(source, first + i);
      if (!format.isPresent(tables.entryHigh, tables.entryLow)) continue;
      tables.ptepGetAndClear(source, first + i);
      tables.setPte(target, newFirst + i, tables.entryHigh, tables.entryLow);
    }
    lazy.disable();
    tlb.range(pageHigh(from, pageShift), pageLow(from, pageShift), pages);
    unlockBoth(source, target);
  }

  function moveTables(mm: KernelMm, from: number, to: number, pages: number): void {
    for (let done = 0; done < pages;) {
      const left = pages - done;
      const aligned = (from + done) % entries === 0 && (to + done) % entries === 0;
      if (aligned && left >= entries && moveTable(mm, from + done, to + done)) {
        done += entries;
        continue;
      }
      const extent = Math.min(left, entries - ((from + done) % entries), entries - ((to + done) % entries));
      movePages(mm, from + done, to + done, extent);
      done += extent;
    }
  }

  return {
    mprotect(mm, page, pages, prot) {
      for (const vma of mm.vmas.isolate(page, page + pages)) {
        if (vma.prot === prot) continue;
        vma.prot = prot;
        changeProtection(mm, vma);
      }
      tlb.range(pageHigh(page, pageShift), pageLow(page, pageShift), pages);
      mm.vmas.mergeAround(page, page + pages);
      return 0;
    },
    mremap(mm, page, pages, newPage, newPages) {
      const vma = mm.vmas.isolate(page, page + pages)[0];
      if (vma === undefined) return Errno.EFAULT;
      if (newPage === page) {
        if (newPages < pages) {
          mm.vmas.remove(page + newPages, page + pages);
          unmap.unmapRegion(mm, page + newPages, page + pages);
        } else if (newPages > pages) mm.vmas.insert(vma.over(page + pages, page + newPages));
        return 0;
      }
      if (mm.vmas.remove(newPage, newPage + newPages).length > 0) unmap.unmapRegion(mm, newPage, newPage + newPages);
      mm.vmas.insert(vma.over(newPage, newPage + newPages));
      moveTables(mm, page, newPage, Math.min(pages, newPages));
      mm.vmas.remove(page, page + pages);
      unmap.unmapRegion(mm, page, page + pages);
      return 0;
    },
  };
}
