import { inject, injectable } from "@kpkeys/core";
import { Cpus, PageTableFormat, wordsOf } from "@kpkeys/core/contracts";
import type { Asid, Cpu, Vpn } from "@kpkeys/core/contracts";

/** TLB flushes. A flush of a page, a range, an address space or a CPU counts as one invalidation. */
@injectable()
export class TlbFlush {
  /** Number of invalidations. */
  invalidations = 0;

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
  ) {}

  /**
   * `flush_tlb_range` and `flush_tlb_kernel_range`.
   * @param page - first virtual page
   * @param pages - number of pages, at least 1
   */
  range(page: Vpn, pages: number): void {
    this.invalidations++;
    const { high, low } = wordsOf(page, this.format.geometry.pageShift);
    for (const { mmu } of this.cpus.all) {
      if (pages === 1) mmu.invalidatePage(high, low);
      else mmu.invalidateRange(high, low, pages);
    }
  }

  /**
   * `flush_tlb_mm`.
   * @param asid - the address space
   */
  addressSpace(asid: Asid): void {
    this.invalidations++;
    for (const { mmu } of this.cpus.all) mmu.invalidateAsid(asid);
  }

  /**
   * `local_flush_tlb_all`.
   * @param cpu - the CPU
   */
  cpu({ mmu }: Cpu): void {
    this.invalidations++;
    mmu.invalidateAll();
  }
}
