import { inject, injectable } from "@kpkeys/core";
import { EntryType, Errno, LazyMmu, PageTableFormat, PageTables, toLevel, toVpn } from "@kpkeys/core/contracts";
import type { Level, Pfn, Vpn } from "@kpkeys/core/contracts";
import { Sections } from "../mm/sections.js";
import { TlbFlush } from "../mm/tlb-flush.js";
import type { KernelMm } from "./mm.js";
import { Unmap } from "./unmap.js";
import { UserTables } from "./user-tables.js";
import type { Vma } from "./vma.js";

/** MREMAP_DONTUNMAP of include/uapi/linux/mman.h: the old range stays mapped without pages. */
const MREMAP_DONTUNMAP = 4;

/** mremap (mm/mremap.c): moves, grows and shrinks mappings, which keep their pages. */
@injectable()
export class Mremap {
  /** Level of the tables above the last-level tables. */
  private readonly pmd: Level;

  constructor(
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(UserTables) private readonly userTables: UserTables,
    @inject(Unmap) private readonly unmap: Unmap,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
    @inject(LazyMmu) private readonly lazy: LazyMmu,
    @inject(Sections) private readonly sections: Sections,
  ) {
    this.pmd = toLevel(userTables.lastLevel - 1);
  }

  /** See {@link AddressSpaces.mremap}. */
  mremap(mm: KernelMm, page: Vpn, pages: number, newPage: Vpn, newPages: number, flags: number): 0 | Errno {
    if (pages === 0) return this.duplicate(mm, page, newPage, newPages);
    if (newPage === page) return this.resize(mm, page, pages, newPages);
    if (newPage < page + pages && page < newPage + newPages) return Errno.EINVAL;
    const end = toVpn(page + Math.min(pages, newPages));
    const first = mm.vmas.find(page);
    // remap_move() accepts several mappings, check_prep_vma() only one. Both come before shrink_vma().
    if (first === undefined || (newPages !== pages && end > first.end)) return Errno.EFAULT;
    if (newPages < pages) this.unmap.munmap(mm, end, toVpn(page + pages));
    const ranges = mm.vmas.isolate(page, end).map(({ start, end }) => [start, end] as const);
    const keep = (flags & MREMAP_DONTUNMAP) !== 0;
    for (const range of ranges) {
      // A mapping that moved earlier in the loop may have merged with this one.
      for (const vma of mm.vmas.isolate(...range)) {
        const to = newPage + vma.start - page;
        const toEnd = newPages > pages ? newPage + newPages : to + vma.end - vma.start;
        this.move(mm, vma, toVpn(to), toVpn(toEnd), keep);
      }
    }
    return 0;
  }

  /** An old length of 0 maps shared memory again. */
  private duplicate(mm: KernelMm, page: Vpn, newPage: Vpn, newPages: number): 0 | Errno {
    const newEnd = toVpn(newPage + newPages);
    const vma = mm.vmas.find(page);
    if (vma === undefined) return Errno.EFAULT;
    this.unmap.munmap(mm, newPage, newEnd);
    const copy = vma.withRange(newPage, newEnd);
    copy.shift = vma.shift + page - newPage;
    copy.unlinkAnonVma();
    mm.vmas.insert(copy);
    return 0;
  }

  /** Resizes in place: shrinks, or unmaps the range above and grows into it. */
  private resize(mm: KernelMm, page: Vpn, pages: number, newPages: number): 0 | Errno {
    const end = toVpn(page + pages);
    const newEnd = toVpn(page + newPages);
    const vma = mm.vmas.find(page);
    if (vma === undefined) return Errno.EFAULT;
    if (newEnd < end) this.unmap.munmap(mm, newEnd, end);
    else if (newEnd > end) {
      if (end > vma.end) return Errno.EFAULT;
      this.unmap.munmap(mm, end, newEnd);
      mm.vmas.insert(vma.withRange(end, newEnd));
    }
    return 0;
  }

  /** `move_vma`: moves one mapping. Unmaps the new range first. */
  private move(mm: KernelMm, vma: Vma, start: Vpn, end: Vpn, keep: boolean): void {
    const { start: oldStart, end: oldEnd } = vma;
    this.unmap.munmap(mm, start, end);
    mm.vmas.insert(movedVma(vma, start, end));
    try {
      this.moveTables(mm, oldStart, start, oldEnd - oldStart);
    } catch (error) {
      // Moves the entries back, as copy_vma_and_data() does. This needs no new table.
      this.moveTables(mm, start, oldStart, oldEnd - oldStart);
      this.unmap.munmap(mm, start, end);
      throw error;
    }
    if (!keep) this.unmap.munmap(mm, oldStart, oldEnd);
    else {
      vma.unlinkAnonVma();
      mm.vmas.mergeAround(oldStart, oldEnd);
    }
  }

  /** `move_page_tables`: makes a table at the new address for each table at the old address. */
  private moveTables(mm: KernelMm, oldStart: Vpn, newStart: Vpn, pages: number): void {
    const { userTables, pmd } = this;
    const { entries, spans } = userTables;
    const pud = toLevel(pmd - 1);
    const end = oldStart + pages;
    for (let from = this.aligned(mm, oldStart, newStart, pages); from < end;) {
      const to = toVpn(from + newStart - oldStart);
      let extent = extentOf(from, to, end - from, spans[pud]!);
      if (this.hasTable(mm, from, pud)) {
        userTables.ensure(mm, to, pud);
        extent = extentOf(from, to, end - from, entries);
        if (this.hasTable(mm, from, pmd)) {
          userTables.ensure(mm, to, pmd);
          if (extent < entries || !this.moveTable(mm, from, to)) this.movePages(mm, from, to, extent);
        }
      }
      from = toVpn(from + extent);
    }
  }

  /** `try_realign_addr`: starts the move at the start of the table if both mappings have the same offset in it and no mapping below. */
  private aligned(mm: KernelMm, from: Vpn, to: Vpn, pages: number): Vpn {
    const { entries } = this.userTables;
    const inside = from % entries;
    const isFirst = (page: Vpn): boolean =>
      mm.vmas.find(page)?.start === page && mm.vmas.endBelow(page) <= page - inside;
    const whole = pages >= entries && inside !== 0 && to % entries === inside && isFirst(from) && isFirst(to);
    return whole ? toVpn(from - inside) : from;
  }

  /** Whether the entry of a level that translates a page points to a table. */
  private hasTable(mm: KernelMm, page: Vpn, level: Level): boolean {
    const entry = this.userTables.entryAt(mm, level, page)?.read();
    return entry !== undefined && this.format.typeOf(level, entry.high, entry.low) === EntryType.TABLE;
  }

  /** `move_normal_pmd`: moves a whole table if the new address has none. Both addresses are aligned. @returns whether it moved */
  private moveTable(mm: KernelMm, from: Vpn, to: Vpn): boolean {
    const { lastLevel, entries } = this.userTables;
    if (this.userTables.entryAt(mm, lastLevel, to) !== undefined) return false;
    const target = this.userTables.ensure(mm, to, this.pmd);
    const source = this.userTables.entryAt(mm, this.pmd, from)!;
    const entry = source.read();
    this.lockBoth(source.table, target.table);
    source.clear();
    this.tlb.range(from, entries);
    target.set(entry);
    this.unlockBoth(source.table, target.table);
    return true;
  }

  /** `move_ptes`: moves the entries. */
  private movePages(mm: KernelMm, from: Vpn, to: Vpn, pages: number): void {
    const { tables } = this;
    const source = this.userTables.entryAt(mm, this.userTables.lastLevel, from)!;
    const target = this.userTables.ensure(mm, to);
    this.lockBoth(source.table, target.table);
    this.lazy.enable();
    for (let i = 0; i < pages; i++) {
      const { high, low } = tables.read(source.table, source.index + i);
      if (!this.format.isPresent(high, low)) continue;
      tables.setPte(target.table, target.index + i, tables.ptepGetAndClear(source.table, source.index + i));
    }
    this.lazy.disable();
    this.tlb.range(from, pages);
    this.unlockBoth(source.table, target.table);
  }

  /** If both are the same table, it is locked once. */
  private lockBoth(source: Pfn, target: Pfn): void {
    this.sections.lock(source);
    if (target !== source) this.sections.lock(target);
  }

  private unlockBoth(source: Pfn, target: Pfn): void {
    if (target !== source) this.sections.unlock(target);
    this.sections.unlock(source);
  }
}

/** `copy_vma`: a mapping that was never written gets the offset of its new address, as a new mapping. */
function movedVma(vma: Vma, start: Vpn, end: Vpn): Vma {
  const moved = vma.withRange(start, end);
  moved.shift = vma.file === 0 && vma.anonVma === 0 ? 0 : vma.shift + vma.start - start;
  return moved;
}

/** `get_extent`: the pages up to the next end of a span at either address. */
function extentOf(from: Vpn, to: Vpn, left: number, span: number): number {
  return Math.min(left, span - (from % span), span - (to % span));
}
