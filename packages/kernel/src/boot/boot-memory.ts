import { inject, injectable } from "@kpkeys/core";
import { PageAllocator, toPfn } from "@kpkeys/core/contracts";
import type { EarlyMemory, Pfn } from "@kpkeys/core/contracts";
import type { BuddyAllocator } from "../mm/buddy.js";
import { Memblock } from "./memblock.js";

/** Early-boot memory for features. Pages come from memblock; pages freed late go to the buddy allocator. */
@injectable()
export class BootMemory implements EarlyMemory {
  constructor(
    @inject(Memblock) private readonly memblock: Memblock,
    @inject(PageAllocator) private readonly buddy: BuddyAllocator,
  ) {}

  alloc(pages: number, align: number): Pfn | undefined {
    return this.memblock.tryAlloc(pages, align);
  }

  freeLate(pfn: Pfn, pages: number): void {
    this.buddy.addRange(pfn, toPfn(pfn + pages));
  }
}
