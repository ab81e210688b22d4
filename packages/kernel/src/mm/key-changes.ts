import { inject, injectable } from "@kpkeys/core";
import { LinearMap, PageTableFormat, PkeyRegister } from "@kpkeys/core/contracts";
import type { Errno, Pfn, Pkey, SetMemory, Vpn } from "@kpkeys/core/contracts";
import type { Addresses } from "./addresses.js";
import { LeafChanges } from "./leaf-changes.js";

/** A run of pages in the linear map. */
interface LinearRun {
  readonly page: Vpn;
  pages: number;
}

/**
 * Sets the key of kernel pages.
 *
 * A page of a vmalloc, vmap or module area has two aliases: the leaf of the area and the leaf of its frame in the linear map. A key in
 * one of them protects nothing while the other keeps key 0, so both change. The kernel has no reverse map of kernel addresses: an alias
 * in another area is not found.
 */
@injectable()
export class KeyChanges {
  /** The counters of `SetMemory`. They are here because vmalloc sets keys too. */
  readonly counters: SetMemory["counters"] = { pkeyCalls: 0, pkeyPages: 0, directMapCalls: 0 };

  constructor(
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PkeyRegister) private readonly register: PkeyRegister,
    @inject(LinearMap) private readonly addresses: Addresses,
    @inject(LeafChanges) private readonly changes: LeafChanges,
  ) {}

  /** Whether a number is the number of a key. @param pkey - the number */
  isPkey(pkey: Pkey): boolean {
    return Number.isInteger(pkey) && pkey >= 0 && pkey < this.register.keys;
  }

  /**
   * Sets the key in the leaves of a range of the linear map or of the image, and flushes the TLB.
   * @param page - first virtual page
   * @param pages - number of pages, at least 1
   * @param pkey - the key
   * @returns 0, or an error of {@link LeafChanges.change}
   */
  set(page: Vpn, pages: number, pkey: Pkey): 0 | Errno {
    const errno = this.changes.changeAndFlush(page, pages, this.format.pkeyChange(pkey));
    if (errno === 0) this.count(pages);
    return errno;
  }

  /**
   * Sets the key in the leaves of a part of an area and in the linear mapping of its frames, and flushes the TLB. All splits of the
   * linear map come first: if one fails, no key has changed.
   * @param page - first virtual page
   * @param frames - the frames of the pages, at least one
   * @param pkey - the key
   * @returns 0, or an error of {@link LeafChanges.change}
   */
  setArea(page: Vpn, frames: readonly Pfn[], pkey: Pkey): 0 | Errno {
    const errno = this.changes.prepare(page, frames.length) || this.prepareFrames(frames);
    if (errno !== 0) return errno;
    this.setFrames(frames, pkey);
    return this.changes.changeAndFlush(page, frames.length, this.format.pkeyChange(pkey));
  }

  /**
   * Splits blocks of the linear map, so that {@link setFrames} cannot fail.
   * @param frames - page-frame numbers
   * @returns 0, or an error of {@link LeafChanges.prepare}
   */
  prepareFrames(frames: readonly Pfn[]): 0 | Errno {
    for (const { page, pages } of this.linearRuns(frames)) {
      const errno = this.changes.prepare(page, pages);
      if (errno !== 0) return errno;
    }
    return 0;
  }

  /**
   * Sets the key in the linear mapping of frames that {@link prepareFrames} prepared, and flushes the TLB. A frame outside RAM, which
   * vm_map_ram may map, has no linear mapping.
   * @param frames - page-frame numbers, at least one
   * @param pkey - the key
   */
  setFrames(frames: readonly Pfn[], pkey: Pkey): void {
    const change = this.format.pkeyChange(pkey);
    for (const { page, pages } of this.linearRuns(frames)) this.changes.changeAndFlush(page, pages, change);
    this.count(frames.length);
  }

  private count(pages: number): void {
    this.counters.pkeyCalls++;
    this.counters.pkeyPages += pages;
  }

  /** The linear mapping of frames, as runs of consecutive pages. */
  private linearRuns(frames: readonly Pfn[]): readonly LinearRun[] {
    const { addresses } = this;
    const runs: LinearRun[] = [];
    for (const pfn of frames) {
      if (!addresses.isRam(pfn, 1)) continue;
      const page = addresses.pageOf(pfn);
      const last = runs.at(-1);
      if (last !== undefined && page === last.page + last.pages) last.pages++;
      else runs.push({ page, pages: 1 });
    }
    return runs;
  }
}
