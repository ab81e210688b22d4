import { inject, injectable } from "@kpkeys/core";
import { LinearMap, PageTableFormat } from "@kpkeys/core/contracts";
import type { AttributeChange, Pfn } from "@kpkeys/core/contracts";
import type { Addresses } from "./addresses.js";
import { LeafChanges } from "./leaf-changes.js";
import { TlbFlush } from "./tlb-flush.js";

/**
 * `vm_reset_perms` of mm/vmalloc.c: the frames that vfree frees have a linear mapping with PAGE_KERNEL. Linux resets the areas with
 * VM_FLUSH_RESET_PERMS, which module code and BPF programs have; the model resets each frame that `set_memory_ro` made read-only.
 */
@injectable()
export class ResetPermissions {
  /** Frames with a read-only linear mapping. */
  private readonly readOnly = new Set<Pfn>();
  private readonly invalid: AttributeChange;

  constructor(
    @inject(PageTableFormat) { attributes }: PageTableFormat,
    @inject(LeafChanges) private readonly leaves: LeafChanges,
    @inject(LinearMap) private readonly addresses: Addresses,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
  ) {
    this.invalid = attributes.invalid;
  }

  /**
   * `set_memory_ro` and `set_memory_rw` changed the linear mapping of a frame.
   * @param pfn - the frame
   * @param isReadOnly - whether it is read-only now
   */
  record(pfn: Pfn, isReadOnly: boolean): void {
    if (isReadOnly) this.readOnly.add(pfn);
    else this.readOnly.delete(pfn);
  }

  /**
   * Resets the read-only linear mappings of the frames of an area that is unmapped. They are invalid during the TLB flush, so that no CPU
   * keeps a translation with the old permissions.
   * @param frames - the frames of the area
   */
  reset(frames: readonly Pfn[]): void {
    const pages = frames.filter((pfn) => this.readOnly.delete(pfn)).map((pfn) => this.addresses.pageOf(pfn));
    if (pages.length === 0) return;
    const { leaves } = this;
    for (const page of pages) leaves.change(page, 1, this.invalid);
    const first = pages.reduce((a, b) => (a < b ? a : b));
    const last = pages.reduce((a, b) => (a > b ? a : b));
    this.tlb.range(first, last - first + 1);
    for (const page of pages) leaves.change(page, 1, leaves.pageKernel);
  }
}
