import { inject, injectable } from "@kpkeys/core";
import { applyChange, Errno, LazyMmu, LinearMap, PageTableFormat, PageTables, toVpn } from "@kpkeys/core/contracts";
import type { AttributeChange, PageRange, Vpn } from "@kpkeys/core/contracts";
import type { Addresses } from "./addresses.js";
import { LeafWalk } from "./leaf-walk.js";
import { LinearSplit } from "./split.js";
import { TlbFlush } from "./tlb-flush.js";

/** The composition of two changes that touch different bits. */
function combine(first: AttributeChange, second: AttributeChange): AttributeChange {
  return {
    clear: { high: first.clear.high | second.clear.high, low: first.clear.low | second.clear.low },
    set: { high: first.set.high | second.set.high, low: first.set.low | second.set.low },
  };
}

/** Changes the leaves of kernel addresses: `update_range_prot` and `__change_memory_common` of arm64's `mm/pageattr.c`. */
@injectable()
export class LeafChanges {
  /** Restores `PAGE_KERNEL` of an invalid or read-only page. */
  readonly pageKernel: AttributeChange;
  private readonly attributes: PageTableFormat["attributes"];

  constructor(
    @inject(PageTables) private readonly tables: PageTables,
    @inject(PageTableFormat) format: PageTableFormat,
    @inject(LeafWalk) private readonly walk: LeafWalk,
    @inject(LinearSplit) private readonly split: LinearSplit,
    @inject(LazyMmu) private readonly lazy: LazyMmu,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
    @inject(LinearMap) private readonly addresses: Addresses,
  ) {
    this.attributes = format.attributes;
    this.pageKernel = combine(format.attributes.valid, format.attributes.rw);
  }

  /**
   * `update_range_prot`: changes the leaves of a range of kernel addresses in one lazy MMU section. First splits blocks of the linear
   * map that are partly in the range. Does not flush the TLB.
   * @param page - first virtual page
   * @param pages - number of pages, at least 1
   * @param change - bits to clear and set
   * @returns 0; -EINVAL if a page is not mapped, or a block outside the linear map is partly in the range; an errno of the split
   */
  change(page: Vpn, pages: number, change: AttributeChange): 0 | Errno {
    // Fast path: a single page is checked when it is changed.
    const errno = pages > 1 ? this.prepare(page, pages) : this.splitAtEnds(page, pages);
    if (errno !== 0) return errno;
    return this.changeLeaves({ from: page, to: toVpn(page + pages) }, change) ? 0 : Errno.EINVAL;
  }

  /** `__change_memory_common`: {@link change}, then flushes the TLB. No flush is needed if pages only become valid. */
  changeAndFlush(page: Vpn, pages: number, change: AttributeChange): 0 | Errno {
    const errno = this.change(page, pages, change);
    if (errno === 0 && change !== this.attributes.valid) this.tlb.range(page, pages);
    return errno;
  }

  /**
   * Checks a range and splits blocks of the linear map at its ends, so that a change of it cannot fail. Leaves are never merged, so
   * the range stays prepared.
   * @param page - first virtual page
   * @param pages - number of pages, at least 1
   * @returns the errors of {@link change}
   */
  prepare(page: Vpn, pages: number): 0 | Errno {
    return this.isChangeable({ from: page, to: toVpn(page + pages) }) ? this.splitAtEnds(page, pages) : Errno.EINVAL;
  }

  private splitAtEnds(page: Vpn, pages: number): 0 | Errno {
    return this.isLinear(page) ? this.split.atEnds(page, pages) : 0;
  }

  /** Whether leaves map the whole range. Blocks outside the linear map cannot be split and must be completely inside. */
  private isChangeable(range: PageRange): boolean {
    return this.walk.each(range, ({ isWhole, page }) => isWhole || this.isLinear(page));
  }

  /** Changes the leaves of a range that starts and ends at leaf boundaries. @returns false if it does not, or has a hole */
  private changeLeaves(range: PageRange, change: AttributeChange): boolean {
    this.lazy.enable();
    const isChanged = this.walk.each(range, ({ isWhole, level, table, index, value }) => {
      if (!isWhole) return false;
      this.tables.setEntry(level, table, index, applyChange(value, change));
      return true;
    });
    this.lazy.disable();
    return isChanged;
  }

  private isLinear(page: Vpn): boolean {
    return this.addresses.pfnOf(page) !== undefined;
  }
}
