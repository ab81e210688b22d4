import { inject, injectable } from "@kpkeys/core";
import { Access, PageTableFormat, PageTables, toVpn } from "@kpkeys/core/contracts";
import type { Pfn, Vpn } from "@kpkeys/core/contracts";
import { TlbFlush } from "../mm/tlb-flush.js";
import { FaultHandler } from "./fault.js";
import type { KernelMm } from "./mm.js";
import { Unmap } from "./unmap.js";
import { UserTables } from "./user-tables.js";
import { VmFlag } from "./vma.js";

/** Advice that acts on pages (include/uapi/asm-generic/mman-common.h). */
const MADV = {
  DONTNEED: 4,
  FREE: 8,
  COLD: 20,
  PAGEOUT: 21,
  POPULATE_READ: 22,
  POPULATE_WRITE: 23,
  DONTNEED_LOCKED: 24,
  GUARD_INSTALL: 102,
} as const;

/** Flags of a mapping that other advice clears and sets, by MADV_ number: `madvise_vma_behavior`. */
const FLAGS: ReadonlyMap<number, readonly [clear: number, set: number]> = new Map([
  [0, [VmFlag.RAND_READ | VmFlag.SEQ_READ, 0]],
  [1, [VmFlag.SEQ_READ, VmFlag.RAND_READ]],
  [2, [VmFlag.RAND_READ, VmFlag.SEQ_READ]],
  [10, [0, VmFlag.DONTCOPY]],
  [11, [VmFlag.DONTCOPY, 0]],
  [14, [VmFlag.NOHUGEPAGE, VmFlag.HUGEPAGE]],
  [15, [VmFlag.HUGEPAGE, VmFlag.NOHUGEPAGE]],
  [16, [0, VmFlag.DONTDUMP]],
  [17, [VmFlag.DONTDUMP, 0]],
  [18, [0, VmFlag.WIPEONFORK]],
  [19, [VmFlag.WIPEONFORK, 0]],
]);

/** madvise (mm/madvise.c). */
@injectable()
export class Madvise {
  constructor(
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(UserTables) private readonly userTables: UserTables,
    @inject(Unmap) private readonly unmap: Unmap,
    @inject(FaultHandler) private readonly faults: FaultHandler,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
  ) {}

  /**
   * `madvise`. Skips unmapped pages of the range.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   * @param advice - MADV_ number; an unknown number does nothing
   */
  madvise(mm: KernelMm, start: Vpn, end: Vpn, advice: number): void {
    const flags = FLAGS.get(advice);
    if (flags !== undefined) mm.vmas.changeFlags(start, end, ...flags);
    else this.act(mm, start, end, advice);
  }

  private act(mm: KernelMm, start: Vpn, end: Vpn, advice: number): void {
    switch (advice) {
      case MADV.DONTNEED:
      case MADV.DONTNEED_LOCKED:
        for (const vma of mm.vmas.inside(start, end))
          this.unmap.discard(mm, toVpn(Math.max(start, vma.start)), toVpn(Math.min(end, vma.end)));
        break;
      case MADV.FREE:
        this.age(mm, start, end, (table, index) => {
          this.tables.clearYoungDirtyPte(table, index, true, true);
        });
        break;
      case MADV.COLD:
      case MADV.PAGEOUT:
        this.age(mm, start, end, (table, index) => void this.tables.ptepTestAndClearYoung(table, index));
        break;
      case MADV.POPULATE_READ:
        this.faults.populate(mm, start, end, Access.READ);
        break;
      case MADV.POPULATE_WRITE:
        this.faults.populate(mm, start, end, Access.WRITE);
        break;
      case MADV.GUARD_INSTALL:
        this.installGuards(mm, start, end);
    }
  }

  /** `madvise_free_pte_range` and `madvise_cold_or_pageout_pte_range`: changes the present entries and flushes the TLB. */
  private age(mm: KernelMm, start: Vpn, end: Vpn, change: (table: Pfn, index: number) => void): void {
    this.userTables.change(mm, start, end, ({ table, index: first }, count) => {
      for (let index = first; index < first + count; index++) {
        const { high, low } = this.tables.read(table, index);
        if (this.format.isPresent(high, low)) change(table, index);
      }
    });
    this.tlb.addressSpace(mm.asid);
  }

  /**
   * `madvise_guard_install`: makes the tables that the markers of guard pages need. The model does not store the markers: they affect
   * only an access that ends in a signal.
   */
  private installGuards(mm: KernelMm, start: Vpn, end: Vpn): void {
    const { entries } = this.userTables;
    try {
      for (const vma of mm.vmas.isolate(start, end)) {
        mm.vmas.prepareAnonVma(vma);
        this.unmap.zap(mm, vma.start, vma.end);
        for (let page = vma.start; page < vma.end; page = toVpn(page + entries - (page % entries)))
          this.userTables.ensure(mm, page);
      }
    } finally {
      mm.vmas.mergeAround(start, end);
      this.tlb.addressSpace(mm.asid);
    }
  }
}
