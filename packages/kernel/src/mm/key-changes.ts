import { inject, injectable } from "@kpkeys/core";
import { LinearMap, PageKeys, PkeyRegister } from "@kpkeys/core/contracts";
import type { AttributeChange, Errno, FrameRun, Pfn, Pkey, SetMemory, Vpn } from "@kpkeys/core/contracts";
import type { Addresses } from "./addresses.js";
import { LeafChanges } from "./leaf-changes.js";

/** A run of pages in the linear map. */
interface LinearRun extends FrameRun {
  readonly page: Vpn;
  pages: number;
}

/**
 * Sets the key of kernel pages.
 *
 * With keys in entries, a page of a vmalloc, vmap or module area has two aliases: the leaf of the area and the leaf of its frame in the
 * linear map. A key in one of them protects nothing while the other keeps key 0, so both change. The kernel has no reverse map of kernel
 * addresses: an alias in another area is not found.
 *
 * With keys of frames, every alias of a frame has its key. No leaf changes and no block is split.
 */
@injectable()
export class KeyChanges {
  /** The counters of `SetMemory`. They are here because vmalloc sets keys too. */
  readonly counters: SetMemory["counters"] = { pkeyCalls: 0, pkeyPages: 0, directMapCalls: 0 };

  constructor(
    @inject(PageKeys) private readonly pageKeys: PageKeys,
    @inject(PkeyRegister) private readonly register: PkeyRegister,
    @inject(LinearMap) private readonly addresses: Addresses,
    @inject(LeafChanges) private readonly changes: LeafChanges,
  ) {}

  /** Whether a number is the number of a key. @param pkey - the number */
  isPkey(pkey: Pkey): boolean {
    return Number.isInteger(pkey) && pkey >= 0 && pkey < this.register.keys;
  }

  /**
   * Sets the key of a range of the linear map or of the image, and flushes the TLB.
   * @param page - first virtual page
   * @param pfn - its page-frame number
   * @param pages - number of pages, at least 1
   * @param pkey - the key
   * @returns 0, or an error of {@link LeafChanges.change}
   */
  set(page: Vpn, pfn: Pfn, pages: number, pkey: Pkey): 0 | Errno {
    const errno = this.pageKeys.set([{ pfn, pages }], pkey, (change) =>
      this.changes.changeAndFlush(page, pages, change),
    );
    if (errno === 0) this.count(pages);
    return errno;
  }

  /**
   * Sets the key of a part of an area and of the linear mapping of its frames, and flushes the TLB. All splits of the linear map come
   * first: if one fails, no key has changed.
   * @param page - first virtual page
   * @param frames - the frames of the pages, at least one
   * @param pkey - the key
   * @returns 0, or an error of {@link LeafChanges.change}
   */
  setArea(page: Vpn, frames: readonly Pfn[], pkey: Pkey): 0 | Errno {
    const runs = this.linearRuns(frames);
    const errno = this.pageKeys.set(
      runs,
      pkey,
      (change) =>
        this.changes.prepare(page, frames.length) ||
        this.changeRuns(runs, change) ||
        this.changes.changeAndFlush(page, frames.length, change),
    );
    if (errno === 0) this.count(frames.length);
    return errno;
  }

  /**
   * Sets the key of the linear mapping of frames, and flushes the TLB. A frame outside RAM, which vm_map_ram may map, has no linear
   * mapping. All splits of the linear map come first: if one fails, no key has changed.
   * @param frames - page-frame numbers, at least one
   * @param pkey - the key
   * @returns 0, or an error of {@link LeafChanges.prepare}
   */
  setFrames(frames: readonly Pfn[], pkey: Pkey): 0 | Errno {
    const runs = this.linearRuns(frames);
    const errno = this.pageKeys.set(runs, pkey, (change) => this.changeRuns(runs, change));
    if (errno === 0) this.count(frames.length);
    return errno;
  }

  /** Splits blocks at the ends of all runs, then changes their leaves. @returns 0, or an error of a split */
  private changeRuns(runs: readonly LinearRun[], change: AttributeChange): 0 | Errno {
    for (const { page, pages } of runs) {
      const errno = this.changes.prepare(page, pages);
      if (errno !== 0) return errno;
    }
    for (const { page, pages } of runs) this.changes.changeAndFlush(page, pages, change);
    return 0;
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
      else runs.push({ page, pfn, pages: 1 });
    }
    return runs;
  }
}
