import { inject, injectable } from "@kpkeys/core";
import {
  applyChange,
  BootParameters,
  Errno,
  KpkeysArch,
  LazyMmu,
  LinearMap,
  PageTableFormat,
  PageTables,
  PkeyRegister,
  ProtectedObjects,
  SetMemory,
  toPfn,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { AttributeChange, PageRange, Pfn, Pkey, Vpn } from "@kpkeys/core/contracts";
import { KernelImage } from "../boot/image.js";
import type { Addresses } from "./addresses.js";
import { LeafWalk } from "./leaf-walk.js";
import { LinearSplit } from "./split.js";
import { TlbFlush } from "./tlb-flush.js";
import type { KernelVmalloc } from "./vmalloc.js";

/** The composition of two changes that touch different bits. */
function combine(first: AttributeChange, second: AttributeChange): AttributeChange {
  return {
    clear: { high: first.clear.high | second.clear.high, low: first.clear.low | second.clear.low },
    set: { high: first.set.high | second.set.high, low: first.set.low | second.set.low },
  };
}

/** Changes kernel mappings. The rules of arm64's `mm/pageattr.c` apply on every architecture. */
@injectable()
export class KernelSetMemory implements SetMemory {
  readonly counters: SetMemory["counters"] = { pkeyCalls: 0, pkeyPages: 0, directMapCalls: 0 };
  /** `rodata_full`: whether a read-only vmalloc page is read-only in the linear map too. */
  private readonly rodataFull: boolean;
  private readonly attributes: PageTableFormat["attributes"];
  /** Restores `PAGE_KERNEL` of an invalid or read-only page. */
  private readonly defaultAttributes: AttributeChange;

  constructor(
    @inject(PageTables) private readonly tables: PageTables,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(LeafWalk) private readonly walk: LeafWalk,
    @inject(LinearSplit) private readonly split: LinearSplit,
    @inject(PkeyRegister) private readonly register: PkeyRegister,
    @inject(KpkeysArch) private readonly kpkeys: KpkeysArch,
    @inject(LazyMmu) private readonly lazy: LazyMmu,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
    @inject(LinearMap) private readonly addresses: Addresses,
    @inject(KernelImage) private readonly image: KernelImage,
    @inject(Vmalloc) private readonly vmalloc: KernelVmalloc,
    @inject(BootParameters) { rodata }: BootParameters,
    @inject(ProtectedObjects) private readonly protectedObjects: ProtectedObjects,
  ) {
    this.rodataFull = rodata === "full";
    this.attributes = format.attributes;
    this.defaultAttributes = combine(format.attributes.valid, format.attributes.rw);
  }

  setMemoryPkey(page: Vpn, pages: number, pkey: Pkey): 0 | Errno {
    if (!this.kpkeys.supportsKpkeys()) return 0;
    const pfn = this.addresses.pfnOf(this.untag(page));
    if (!this.isPkey(pkey) || pfn === undefined || pages < 1 || !this.addresses.isRam(pfn, pages)) return Errno.EINVAL;
    return this.setPkey(this.addresses.pageOf(pfn), pages, pkey);
  }

  setImagePkey(pfn: Pfn, pages: number, pkey: Pkey): 0 | Errno {
    const { image } = this;
    if (!this.kpkeys.supportsKpkeys()) return 0;
    const isImage = pages >= 1 && image.contains(pfn) && image.contains(toPfn(pfn + pages - 1));
    if (!this.isPkey(pkey) || !isImage) return Errno.EINVAL;
    return this.setPkey(this.addresses.imagePageOf(pfn), pages, pkey);
  }

  setMemoryRo(page: Vpn, pages: number): 0 | Errno {
    return this.changeArea(page, pages, this.attributes.ro);
  }

  setMemoryRw(page: Vpn, pages: number): 0 | Errno {
    return this.changeArea(page, pages, this.attributes.rw);
  }

  setMemoryNx(page: Vpn, pages: number): 0 | Errno {
    return this.changeArea(page, pages, this.attributes.nx);
  }

  setMemoryX(page: Vpn, pages: number): 0 | Errno {
    return this.changeArea(page, pages, this.attributes.x);
  }

  setMemoryValid(page: Vpn, pages: number, enable: boolean): 0 | Errno {
    return pages === 0 ? 0 : this.changeAndFlush(page, pages, this.validity(enable));
  }

  canSetDirectMap(): boolean {
    const protectsTables = this.protectedObjects.claims.some(({ tablePkey }) => tablePkey !== undefined);
    return this.rodataFull || (protectsTables && this.kpkeys.supportsKpkeysEarly());
  }

  setDirectMapInvalid(pfn: Pfn): 0 | Errno {
    return this.changeDirectMap(pfn, 1, (page) => this.change(page, 1, this.attributes.invalid));
  }

  setDirectMapDefault(pfn: Pfn): 0 | Errno {
    return this.changeDirectMap(pfn, 1, (page) => this.change(page, 1, this.defaultAttributes));
  }

  setDirectMapValid(pfn: Pfn, pages: number, enable: boolean): 0 | Errno {
    return this.changeDirectMap(pfn, pages, (page) => this.changeAndFlush(page, pages, this.validity(enable)));
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
    const range = { from: page, to: toVpn(page + pages) };
    // Fast path: a single page is checked when it is changed.
    if (pages > 1 && !this.isChangeable(range)) return Errno.EINVAL;
    const errno = this.isLinear(page) ? this.split.atEnds(page, pages) : 0;
    if (errno !== 0) return errno;
    this.lazy.enable();
    const isChanged = this.changeLeaves(range, change);
    this.lazy.disable();
    return isChanged ? 0 : Errno.EINVAL;
  }

  /** Whether leaves map the whole range. Blocks outside the linear map cannot be split and must be completely inside. */
  private isChangeable(range: PageRange): boolean {
    return this.walk.each(range, ({ isWhole, page }) => isWhole || this.isLinear(page));
  }

  /** Changes the leaves of a range that starts and ends at leaf boundaries. @returns false if it does not, or has a hole */
  private changeLeaves(range: PageRange, change: AttributeChange): boolean {
    return this.walk.each(range, ({ isWhole, level, table, index, value }) => {
      if (!isWhole) return false;
      this.tables.setEntry(level, table, index, applyChange(value, change));
      return true;
    });
  }

  /** `__change_memory_common`: changes and flushes the TLB. No flush is needed if pages only become valid. */
  private changeAndFlush(page: Vpn, pages: number, change: AttributeChange): 0 | Errno {
    const errno = this.change(page, pages, change);
    if (errno === 0 && change !== this.attributes.valid) this.tlb.range(page, pages);
    return errno;
  }

  /** `change_memory_common`: changes a vmalloc area. With `rodata=full`, ro and rw also change the linear mapping of its pages. */
  private changeArea(page: Vpn, pages: number, change: AttributeChange): 0 | Errno {
    const { ro, rw } = this.attributes;
    const frames = this.vmalloc.framesAt(page, pages);
    if (frames === undefined) return Errno.EINVAL;
    if (pages === 0) return 0;
    if (this.rodataFull && (change === ro || change === rw)) {
      for (const pfn of frames) {
        const errno = this.changeAndFlush(this.addresses.pageOf(pfn), 1, change);
        if (errno !== 0) return errno;
      }
    }
    return this.changeAndFlush(page, pages, change);
  }

  private setPkey(page: Vpn, pages: number, pkey: Pkey): 0 | Errno {
    const errno = this.changeAndFlush(page, pages, this.format.pkeyChange(pkey));
    if (errno !== 0) return errno;
    this.counters.pkeyCalls++;
    this.counters.pkeyPages += pages;
    return 0;
  }

  /** Changes the linear map if {@link canSetDirectMap}. */
  private changeDirectMap(pfn: Pfn, pages: number, change: (page: Vpn) => 0 | Errno): 0 | Errno {
    if (!this.canSetDirectMap()) return 0;
    if (!this.addresses.isRam(pfn, pages)) return Errno.EINVAL;
    if (pages === 0) return 0;
    const errno = change(this.addresses.pageOf(pfn));
    if (errno === 0) this.counters.directMapCalls++;
    return errno;
  }

  private validity(enable: boolean): AttributeChange {
    return enable ? this.attributes.valid : this.attributes.invalid;
  }

  private isLinear(page: Vpn): boolean {
    return this.addresses.pfnOf(page) !== undefined;
  }

  private isPkey(pkey: Pkey): boolean {
    return Number.isInteger(pkey) && pkey >= 0 && pkey < this.register.keys;
  }

  /** `__tag_reset`: replaces an address tag in bits 63:56 by copies of bit 55. Addresses of 57 bits have no tag. */
  private untag(page: Vpn): Vpn {
    const { addressBits, pageShift } = this.format.geometry;
    if (addressBits > 56) return page;
    const tags = 2 ** (56 - pageShift);
    const below = page % tags;
    return toVpn(below < tags / 2 ? below : below + 2 ** (64 - pageShift) - tags);
  }
}
