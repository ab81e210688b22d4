import { inject, injectable } from "@kpkeys/core";
import { PageAllocator, PhysicalMemory } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";
import { KernelImage } from "../boot/image.js";

/** Set with the count for a page that belongs to a file; a count can be as large as there can be processes. */
const FILE = 0x8000_0000;

/** The frames of user pages: how often each is mapped, and whether it belongs to a file. They have no content. */
@injectable()
export class UserFrames {
  /** Page-frame number of the page of zeroes, which is not counted. */
  readonly zeroPage: Pfn;
  private readonly firstPfn: Pfn;
  private readonly counts: Uint32Array;

  constructor(
    @inject(PhysicalMemory) { firstPfn, endPfn }: PhysicalMemory,
    @inject(PageAllocator) private readonly pages: PageAllocator,
    @inject(KernelImage) { zeroPage }: KernelImage,
  ) {
    this.zeroPage = zeroPage;
    this.firstPfn = firstPfn;
    this.counts = new Uint32Array(reserve((endPfn - firstPfn) * 4));
  }

  /**
   * Takes a frame that is mapped once.
   * @param file - whether it belongs to a file
   * @returns its page-frame number, or `undefined` when there is no memory
   */
  take(file: boolean): Pfn | undefined {
    const pfn = this.pages.alloc(0, true);
    if (pfn !== undefined) this.counts[pfn - this.firstPfn] = file ? FILE + 1 : 1;
    return pfn;
  }

  /** Maps a frame once more. @param pfn - its page-frame number */
  share(pfn: Pfn): void {
    if (pfn !== this.zeroPage) this.counts[pfn - this.firstPfn]!++;
  }

  /** Unmaps a frame once; the last time it is free. @param pfn - its page-frame number */
  drop(pfn: Pfn): void {
    if (pfn === this.zeroPage) return;
    const left = this.counts[pfn - this.firstPfn]! - 1;
    this.counts[pfn - this.firstPfn] = left;
    if (left === 0 || left === FILE) this.pages.free(pfn, 0);
  }

  /**
   * Whether a frame is anonymous and mapped once, so that a write fault may reuse it: PageAnonExclusive.
   * @param pfn - its page-frame number
   */
  isExclusive(pfn: Pfn): boolean {
    return this.counts[pfn - this.firstPfn] === 1;
  }
}
