import { inject, injectable } from "@kpkeys/core";
import { PageTableFormat, PageTables, PgtableArch, toPfn, toVpn } from "@kpkeys/core/contracts";
import type { EntryCursor, PageRange, Pfn, Vpn } from "@kpkeys/core/contracts";
import { pageOfAddress } from "../mm/addresses.js";
import { LeafRuns } from "../mm/leaf-runs.js";
import { Sections } from "../mm/sections.js";
import { TlbFlush } from "../mm/tlb-flush.js";
import { UserFrames } from "./frames.js";
import type { KernelMm } from "./mm.js";
import { UserTables } from "./user-tables.js";

/** Removes user mappings. */
@injectable()
export class Unmap {
  private readonly userEnd: Vpn;

  constructor(
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PgtableArch) arch: PgtableArch,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(UserTables) private readonly userTables: UserTables,
    @inject(UserFrames) private readonly frames: UserFrames,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
    @inject(Sections) private readonly sections: Sections,
    @inject(LeafRuns) private readonly leafRuns: LeafRuns,
  ) {
    this.userEnd = toVpn(pageOfAddress(arch.layout.userEnd, format.geometry.pageShift));
  }

  /**
   * Clears the entries of a range and drops their frames: `zap_page_range`. Does not flush the TLB.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   * @returns number of entries cleared
   */
  zap(mm: KernelMm, start: Vpn, end: Vpn): number {
    let cleared = 0;
    this.userTables.change(mm, start, end, (first, count) => {
      cleared += this.zapEntries(first, count);
    });
    return cleared;
  }

  /**
   * `do_munmap`: removes the mappings of a range, zaps it, flushes the TLB and frees the tables that no mapping needs.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   */
  munmap(mm: KernelMm, start: Vpn, end: Vpn): void {
    if (mm.vmas.remove(start, end).length === 0) return;
    const cleared = this.zap(mm, start, end);
    const ceiling = mm.vmas.findAtOrAbove(end)?.start ?? Infinity;
    const unlinked = this.unlinkTables(mm, { from: start, to: end }, mm.vmas.endBelow(start), ceiling);
    if (cleared > 0 || unlinked.length > 0) this.tlb.range(start, end - start);
    for (const table of unlinked) this.tables.freeTable(table);
  }

  /**
   * `madvise_dontneed_single_vma`: zaps a range of one mapping, flushes the TLB and frees the last-level tables that are completely in
   * the range (CONFIG_PT_RECLAIM, x86 since Linux 6.14; the model does so on every architecture).
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   */
  discard(mm: KernelMm, start: Vpn, end: Vpn): void {
    const { lastLevel, spans } = this.userTables;
    const emptied: Pfn[] = [];
    this.zap(mm, start, end);
    this.userTables.walk(
      mm,
      { from: start, to: end },
      {
        leave: (entry, below) => {
          if (entry.level !== lastLevel - 1 || entry.pages < spans[entry.level]!) return;
          this.sections.lock(entry.table);
          entry.clear();
          this.sections.unlock(entry.table);
          emptied.push(below);
        },
      },
    );
    mm.tablePages -= emptied.length;
    this.tlb.addressSpace(mm.asid);
    for (const table of emptied) this.tables.freeTable(table);
  }

  /** `exit_mmap`: zaps all mappings and frees all tables, including the top-level one. @param mm - the address space */
  destroy(mm: KernelMm): void {
    for (const { start, end } of mm.vmas.all) this.zap(mm, start, end);
    const unlinked = this.unlinkTables(mm, { from: toVpn(0), to: this.userEnd }, 0, Infinity);
    this.tlb.addressSpace(mm.asid);
    for (const table of unlinked) this.tables.freeTable(table);
    this.userTables.freePgd(mm);
  }

  /** `zap_present_ptes`. @returns number of entries cleared */
  private zapEntries(first: EntryCursor, count: number): number {
    let cleared = 0;
    this.leafRuns.each(first, count, (index, length, { high, low }) => {
      this.tables.clearFullPtes(first.table, index, length);
      const pfn = this.format.pfnOf(high, low);
      for (let page = 0; page < length; page++) this.frames.drop(toPfn(pfn + page));
      cleared += length;
    });
    return cleared;
  }

  /**
   * `free_pgd_range`: unlinks each table whose span is between floor and ceiling, the ends of the neighbouring mappings. The caller
   * frees the tables after the TLB flush, as `tlb_finish_mmu` does.
   */
  private unlinkTables(mm: KernelMm, range: PageRange, floor: number, ceiling: number): readonly Pfn[] {
    const { spans, counted } = this.userTables;
    const unlinked: Pfn[] = [];
    this.userTables.walk(mm, range, {
      leave: (entry, below) => {
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
}
