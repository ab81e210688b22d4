import { inject, injectable } from "@kpkeys/core";
import { PageAllocator, PhysicalMemory } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";
import { KernelImage } from "../boot/image.js";

/** Flag in the count of a page that belongs to a file. The maximum count is the number of processes. */
const FILE = 0x8000_0000;

/** Reference counts of user frames. The frames have no contents. */
@injectable()
export class UserFrames {
  /** Page-frame number of the zero page, which has no count. */
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
   * Allocates a frame with a count of 1.
   * @param file - whether it belongs to a file
   * @returns its page-frame number; `undefined` if there is no memory
   */
  alloc(file: boolean): Pfn | undefined {
    const pfn = this.pages.alloc(0, true);
    if (pfn !== undefined) this.counts[pfn - this.firstPfn] = file ? FILE + 1 : 1;
    return pfn;
  }

  /** Increments the count of a frame. @param pfn - its page-frame number */
  share(pfn: Pfn): void {
    if (pfn !== this.zeroPage) this.counts[pfn - this.firstPfn]!++;
  }

  /** Decrements the count of a frame and frees it at 0. @param pfn - its page-frame number */
  drop(pfn: Pfn): void {
    if (pfn === this.zeroPage) return;
    const left = this.counts[pfn - this.firstPfn]! - 1;
    this.counts[pfn - this.firstPfn] = left;
    if (left === 0 || left === FILE) this.pages.free(pfn, 0);
  }

  /**
   * Whether a frame is anonymous and has a count of 1, so that a write fault may reuse it: PageAnonExclusive.
   * @param pfn - its page-frame number
   */
  isExclusive(pfn: Pfn): boolean {
    return this.counts[pfn - this.firstPfn] === 1;
  }
}
