import { EntryType, Errno, Prot, toLevel } from "@kpkeys/core/contracts";
import type { Level, Pfn, Vpn } from "@kpkeys/core/contracts";
import type { KernelMm, ProcessParts, UserTables } from "./mm.js";
import { leafProtection } from "./protection.js";
import type { Unmap } from "./unmap.js";
import { isShared, VmFlag } from "./vma.js";
import type { Vma } from "./vma.js";

/** MREMAP_DONTUNMAP of include/uapi/linux/mman.h: the old range stays mapped, empty. */
const MREMAP_DONTUNMAP = 4;

/** Changes of mappings that keep their pages. */
export interface Remap {
  /** See {@link AddressSpaces.mprotect}. */
  mprotect(mm: KernelMm, page: number, pages: number, prot: number): number;
  /** See {@link AddressSpaces.mremap}. */
  mremap(mm: KernelMm, page: number, pages: number, newPage: number, newPages: number, flags: number): number;
}

/** Makes them. @param parts - what they are made with @param userTables - the walk @param unmap - takes old ranges away */
export function createRemap(parts: ProcessParts, userTables: UserTables, unmap: Unmap): Remap {
  const { format, tables, frames, tlb, lazy, sections } = parts;
  const { lastLevel, entries, spans } = userTables;
  const pmd = toLevel(lastLevel - 1);

  /** `change_pte_range`: an exclusive page of a private mapping becomes writable at once, others on their next write. */
  function changeProtection(mm: KernelMm, vma: Vma): void {
    tables.walk(
      mm.root,
      { from: vma.start, to: vma.end },
      {
        run({ table, index: first }, count) {
          sections.lock(table);
          lazy.enable();
          for (let index = first; index < first + count; index++) changeEntry(vma, table, index);
          lazy.disable();
          sections.unlock(table);
          return undefined;
        },
      },
    );
  }

  function changeEntry(vma: Vma, table: Pfn, index: number): void {
    const { high, low } = tables.read(table, index);
    if (!format.isPresent(high, low)) return;
    const entry = { ...tables.ptepGetAndClear(table, index) };
    const writable = isShared(vma) || frames.isExclusive(format.pfnOf(entry.high, entry.low));
    format.reprotect(entry, leafProtection(format, vma, writable));
    tables.setPte(table, index, entry);
  }

  /** A table that entries move within is locked once. */
  function lockBoth(source: Pfn, target: Pfn): void {
    sections.lock(source);
    if (target !== source) sections.lock(target);
  }

  function unlockBoth(source: Pfn, target: Pfn): void {
    if (target !== source) sections.unlock(target);
    sections.unlock(source);
  }

  /** Whether the entry of a level that translates a page points to a table. */
  function hasTable(mm: KernelMm, page: Vpn, level: Level): boolean {
    const entry = tables.entryAt(mm.root, level, page)?.read();
    return entry !== undefined && format.typeOf(level, entry.high, entry.low) === EntryType.TABLE;
  }

  /** `move_normal_pmd`: a whole table changes its place when both places are aligned and the new one is empty. */
  function moveTable(mm: KernelMm, from: Vpn, to: Vpn): boolean {
    if (tables.entryAt(mm.root, lastLevel, to) !== undefined) return false;
    const target = userTables.ensure(mm, to, pmd);
    const source = tables.entryAt(mm.root, pmd, from)!;
    const entry = source.read();
    lockBoth(source.table, target.table);
    source.clear();
    tlb.range(from, entries);
    target.set(entry);
    unlockBoth(source.table, target.table);
    return true;
  }

  /** `move_ptes`: entry by entry. */
  function movePages(mm: KernelMm, from: Vpn, to: Vpn, pages: number): void {
    const source = tables.entryAt(mm.root, lastLevel, from)!;
    const target = userTables.ensure(mm, to);
    lockBoth(source.table, target.table);
    lazy.enable();
    for (let i = 0; i < pages; i++) {
      const { high, low } = tables.read(source.table, source.index + i);
      if (!format.isPresent(high, low)) continue;
      tables.setPte(target.table, target.index + i, tables.ptepGetAndClear(source.table, source.index + i));
    }
    lazy.disable();
    tlb.range(from, pages);
    unlockBoth(source.table, target.table);
  }

  /** How far `get_extent` goes at once: to the end of the span on either side. */
  function extentOf(from: number, to: number, left: number, span: number): number {
    return Math.min(left, span - (from % span), span - (to % span));
  }

  /** `move_page_tables`: the new place gets a table of each level wherever the old one has one below it. */
  function moveTables(mm: KernelMm, oldStart: number, newStart: number, pages: number): void {
    const upperSpan = spans[pmd - 1]!;
    const delta = newStart - oldStart;
    const end = oldStart + pages;
    for (let from = aligned(mm, oldStart, newStart, pages); from < end;) {
      const to = from + delta;
      if (!hasTable(mm, from, toLevel(pmd - 1))) {
        from += extentOf(from, to, end - from, upperSpan);
        continue;
      }
      userTables.ensure(mm, to, toLevel(pmd - 1));
      const extent = extentOf(from, to, end - from, entries);
      if (hasTable(mm, from, pmd)) {
        userTables.ensure(mm, to, pmd);
        if (extent < entries || !moveTable(mm, from, to)) movePages(mm, from, to, extent);
      }
      from += extent;
    }
  }

  /** `try_realign_addr`: the move begins at the table's start when both mappings do so alike and nobody else is below them in it. */
  function aligned(mm: KernelMm, from: number, to: number, pages: number): number {
    const inside = from % entries;
    const base = (page: number): boolean =>
      mm.vmas.find(page)?.start === page && mm.vmas.endBelow(page) <= page - inside;
    const whole = pages >= entries && inside !== 0 && to % entries === inside && base(from) && base(to);
    return whole ? from - inside : from;
  }

  return {
    mprotect(mm, page, pages, prot) {
      for (const vma of mm.vmas.isolate(page, page + pages)) {
        if (vma.prot === prot) continue;
        vma.prot = prot;
        const chargeable = VmFlag.ACCOUNT | VmFlag.SHARED | VmFlag.NORESERVE;
        if ((prot & Prot.WRITE) !== 0 && (vma.flags & chargeable) === 0) vma.flags |= VmFlag.ACCOUNT;
        else if ((prot & Prot.WRITE) === 0 && vma.file === 0 && vma.anonVma === 0) vma.flags &= ~VmFlag.ACCOUNT;
        changeProtection(mm, vma);
      }
      tlb.range(page, pages);
      mm.vmas.mergeAround(page, page + pages);
      return 0;
    },
    mremap(mm, page, pages, newPage, newPages, flags) {
      const keep = (flags & MREMAP_DONTUNMAP) !== 0;
      if (pages === 0) return duplicate(mm, page, newPage, newPages);
      if (newPage === page) return resize(mm, page, pages, newPages);
      if (newPages < pages) unmapRange(mm, page + newPages, page + pages);
      const ranges = mm.vmas
        .isolate(page, page + Math.min(pages, newPages))
        .map(({ start, end }) => [start, end] as const);
      if (ranges.length === 0) return Errno.EFAULT;
      for (const [start, end] of ranges) {
        // What was moved before may have merged with this one.
        for (const vma of mm.vmas.isolate(start, end)) {
          const to = newPage + vma.start - page;
          move(mm, vma, to, newPages > pages ? newPage + newPages : to + vma.end - vma.start, keep);
        }
      }
      return 0;
    },
  };

  /** `move_vma`: what lies at the new place goes; of several mappings each goes by itself, and the gaps stay what they are. */
  function move(mm: KernelMm, vma: Vma, start: number, end: number, keep: boolean): void {
    const { start: oldStart, end: oldEnd } = vma;
    unmapRange(mm, start, end);
    mm.vmas.insert(movedVma(vma, start, end));
    try {
      moveTables(mm, oldStart, start, oldEnd - oldStart);
    } catch (error) {
      // What was moved goes back, which needs no table, as copy_vma_and_data() has it.
      moveTables(mm, start, oldStart, oldEnd - oldStart);
      unmapRange(mm, start, end);
      throw error;
    }
    if (!keep) unmapRange(mm, oldStart, oldEnd);
    else {
      vma.anonVma = 0;
      vma.inherited = false;
      mm.vmas.mergeAround(oldStart, oldEnd);
    }
  }

  function unmapRange(mm: KernelMm, start: number, end: number): void {
    if (mm.vmas.remove(start, end).length > 0) unmap.unmapRegion(mm, start, end);
  }

  /** `copy_vma`: a mapping that was never written takes the place's own offset, as a new one there would have. */
  function movedVma(vma: Vma, start: number, end: number): Vma {
    const moved = vma.over(start, end);
    moved.shift = vma.file === 0 && vma.anonVma === 0 ? 0 : vma.shift + vma.start - start;
    return moved;
  }

  /** In place: shrinks, or grows into what is free above. */
  function resize(mm: KernelMm, page: number, pages: number, newPages: number): number {
    if (newPages < pages) unmapRange(mm, page + newPages, page + pages);
    else if (newPages > pages) {
      const vma = mm.vmas.find(page + pages - 1);
      if (vma === undefined) return Errno.EFAULT;
      unmapRange(mm, page + pages, page + newPages);
      mm.vmas.insert(vma.over(page + pages, page + newPages));
    }
    return 0;
  }

  /** An old length of 0 maps shared memory a second time. */
  function duplicate(mm: KernelMm, page: number, newPage: number, newPages: number): number {
    const vma = mm.vmas.find(page);
    if (vma === undefined) return Errno.EFAULT;
    unmapRange(mm, newPage, newPage + newPages);
    const copy = vma.over(newPage, newPage + newPages);
    copy.shift = vma.shift + page - newPage;
    copy.anonVma = 0;
    copy.inherited = false;
    mm.vmas.insert(copy);
    return 0;
  }
}
