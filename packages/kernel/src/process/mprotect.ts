import { inject, injectable } from "@kpkeys/core";
import { PageTableFormat, PageTables, Prot } from "@kpkeys/core/contracts";
import type { Pfn, Vpn } from "@kpkeys/core/contracts";
import { TlbFlush } from "../mm/tlb-flush.js";
import { UserFrames } from "./frames.js";
import type { KernelMm } from "./mm.js";
import { UserTables } from "./user-tables.js";
import { isShared, leafProtection, VmFlag } from "./vma.js";
import type { Vma } from "./vma.js";

/** A mapping with one of these flags is not charged to the commit limit when it becomes writable, or is charged already. */
const UNCHARGEABLE = VmFlag.ACCOUNT | VmFlag.SHARED | VmFlag.NORESERVE;

/** mprotect (mm/mprotect.c). */
@injectable()
export class Mprotect {
  constructor(
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(UserTables) private readonly userTables: UserTables,
    @inject(UserFrames) private readonly frames: UserFrames,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
  ) {}

  /**
   * `mprotect`. Skips unmapped pages of the range.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   * @param prot - {@link Prot} bits
   */
  mprotect(mm: KernelMm, start: Vpn, end: Vpn, prot: number): void {
    for (const vma of mm.vmas.isolate(start, end)) if (vma.prot !== prot) this.changeVma(mm, vma, prot);
    this.tlb.range(start, end - start);
    mm.vmas.mergeAround(start, end);
  }

  /** `mprotect_fixup`. */
  private changeVma(mm: KernelMm, vma: Vma, prot: number): void {
    const writable = (prot & Prot.WRITE) !== 0;
    vma.prot = prot;
    if (writable && (vma.flags & UNCHARGEABLE) === 0) vma.flags |= VmFlag.ACCOUNT;
    else if (!writable && vma.file === 0 && vma.anonVma === 0) vma.flags &= ~VmFlag.ACCOUNT;
    this.userTables.change(mm, vma.start, vma.end, ({ table, index: first }, count) => {
      for (let index = first; index < first + count; index++) this.changeEntry(vma, table, index);
    });
  }

  /** `change_pte_range`: an exclusive page of a private mapping becomes writable immediately, other pages at the next write fault. */
  private changeEntry(vma: Vma, table: Pfn, index: number): void {
    const { high, low } = this.tables.read(table, index);
    if (!this.format.isPresent(high, low)) return;
    const old = this.tables.ptepGetAndClear(table, index);
    const writable = isShared(vma) || this.frames.isExclusive(this.format.pfnOf(old.high, old.low));
    this.tables.setPte(table, index, this.format.reprotect(old, leafProtection(this.format, vma, writable)));
  }
}
