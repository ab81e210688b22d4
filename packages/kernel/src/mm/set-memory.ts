import { inject, injectable } from "@kpkeys/core";
import {
  BootParameters,
  Errno,
  KpkeysArch,
  LinearMap,
  PageTableFormat,
  ProtectedObjects,
  SetMemory,
  toPfn,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { AttributeChange, Pfn, Pkey, Vpn } from "@kpkeys/core/contracts";
import { KernelImage } from "../boot/image.js";
import type { Addresses } from "./addresses.js";
import { KeyChanges } from "./key-changes.js";
import { LeafChanges } from "./leaf-changes.js";
import { ResetPermissions } from "./reset-permissions.js";
import type { KernelVmalloc } from "./vmalloc.js";

/** Changes kernel mappings. The rules of arm64's `mm/pageattr.c` apply on every architecture. */
@injectable()
export class KernelSetMemory implements SetMemory {
  readonly counters: SetMemory["counters"];
  /** `rodata_full`: whether a read-only vmalloc page is read-only in the linear map too. */
  private readonly rodataFull: boolean;
  private readonly attributes: PageTableFormat["attributes"];

  constructor(
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(LeafChanges) private readonly leaves: LeafChanges,
    @inject(ResetPermissions) private readonly resetPermissions: ResetPermissions,
    @inject(KeyChanges) private readonly keys: KeyChanges,
    @inject(KpkeysArch) private readonly kpkeys: KpkeysArch,
    @inject(LinearMap) private readonly addresses: Addresses,
    @inject(KernelImage) private readonly image: KernelImage,
    @inject(Vmalloc) private readonly vmalloc: KernelVmalloc,
    @inject(BootParameters) { rodata }: BootParameters,
    @inject(ProtectedObjects) private readonly protectedObjects: ProtectedObjects,
  ) {
    this.counters = keys.counters;
    this.rodataFull = rodata === "full";
    this.attributes = format.attributes;
  }

  setMemoryPkey(page: Vpn, pages: number, pkey: Pkey): 0 | Errno {
    const { addresses, keys } = this;
    if (!this.kpkeys.supportsKpkeys()) return 0;
    if (!keys.isPkey(pkey) || pages < 1) return Errno.EINVAL;
    const first = this.untag(page);
    const pfn = addresses.pfnOf(first);
    if (pfn !== undefined) return addresses.isRam(pfn, pages) ? keys.set(first, pfn, pages, pkey) : Errno.EINVAL;
    const frames = this.vmalloc.framesAt(first, pages);
    return frames === undefined ? Errno.EINVAL : keys.setArea(first, frames, pkey);
  }

  setImagePkey(pfn: Pfn, pages: number, pkey: Pkey): 0 | Errno {
    const { image, keys } = this;
    if (!this.kpkeys.supportsKpkeys()) return 0;
    const isImage = pages >= 1 && image.contains(pfn) && image.contains(toPfn(pfn + pages - 1));
    if (!keys.isPkey(pkey) || !isImage) return Errno.EINVAL;
    return keys.set(this.addresses.imagePageOf(pfn), pfn, pages, pkey);
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
    return pages === 0 ? 0 : this.leaves.changeAndFlush(page, pages, this.validity(enable));
  }

  canSetDirectMap(): boolean {
    const protectsTables = this.protectedObjects.claims.some(({ tablePkey }) => tablePkey !== undefined);
    return this.rodataFull || (protectsTables && this.kpkeys.supportsKpkeysEarly());
  }

  setDirectMapInvalid(pfn: Pfn): 0 | Errno {
    return this.changeDirectMap(pfn, 1, (page) => this.leaves.change(page, 1, this.attributes.invalid));
  }

  setDirectMapDefault(pfn: Pfn): 0 | Errno {
    return this.changeDirectMap(pfn, 1, (page) => this.leaves.change(page, 1, this.leaves.pageKernel));
  }

  setDirectMapValid(pfn: Pfn, pages: number, enable: boolean): 0 | Errno {
    return this.changeDirectMap(pfn, pages, (page) => this.leaves.changeAndFlush(page, pages, this.validity(enable)));
  }

  /** `change_memory_common`: changes a vmalloc area. With `rodata=full`, ro and rw also change the linear mapping of its pages. */
  private changeArea(page: Vpn, pages: number, change: AttributeChange): 0 | Errno {
    const { ro, rw } = this.attributes;
    const frames = this.vmalloc.framesAt(page, pages);
    if (frames === undefined) return Errno.EINVAL;
    if (pages === 0) return 0;
    if (this.rodataFull && (change === ro || change === rw)) {
      for (const pfn of frames) {
        const errno = this.leaves.changeAndFlush(this.addresses.pageOf(pfn), 1, change);
        if (errno !== 0) return errno;
        this.resetPermissions.record(pfn, change === ro);
      }
    }
    return this.leaves.changeAndFlush(page, pages, change);
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

  /** `__tag_reset`: replaces an address tag in bits 63:56 by copies of bit 55. Addresses of 57 bits have no tag. */
  private untag(page: Vpn): Vpn {
    const { addressBits, pageShift } = this.format.geometry;
    if (addressBits > 56) return page;
    const tags = 2 ** (56 - pageShift);
    const below = page % tags;
    return toVpn(below < tags / 2 ? below : below + 2 ** (64 - pageShift) - tags);
  }
}
