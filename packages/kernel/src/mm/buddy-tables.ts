import { inject, injectable } from "@kpkeys/core";
import { ExtensionPoints, Gfp, OK, PageAllocator } from "@kpkeys/core/contracts";
import type { ExtensionHandlers, Pfn, TableAllocator } from "@kpkeys/core/contracts";
import { KernelFaults } from "../entry/kernel-fault.js";
import { TableMemory } from "./table-memory.js";

/**
 * The default allocator of table pages: single pages from the buddy allocator, as in mainline. Features are notified of each page. A
 * block of the linear map can be split while memory is free.
 */
@injectable()
export class BuddyTables implements TableAllocator {
  private readonly onAllocated: readonly ExtensionHandlers["tablePageAllocated"][];
  private readonly onFreeing: readonly ExtensionHandlers["tablePageFreeing"][];

  constructor(
    @inject(PageAllocator) private readonly pages: PageAllocator,
    @inject(TableMemory) private readonly tableMemory: TableMemory,
    @inject(KernelFaults) private readonly faults: KernelFaults,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
  ) {
    this.onAllocated = extensions.handlers("tablePageAllocated");
    this.onFreeing = extensions.handlers("tablePageFreeing");
  }

  allocEarly(): undefined {
    return undefined;
  }

  /** Zeroes the page before it has a key, so no context is needed. */
  alloc(_source: "kernel" | "user", gfp: number): Pfn | undefined {
    const pfn = this.pages.alloc(0);
    if (pfn === undefined) return undefined;
    if ((gfp & Gfp.ZERO) !== 0) this.clearPage(pfn);
    if (this.notifyAllocated(pfn)) return pfn;
    this.pages.free(pfn, 0);
    return undefined;
  }

  free(pfn: Pfn): void {
    for (const handler of this.onFreeing) handler(pfn);
    this.pages.free(pfn, 0);
  }

  prepareSplit(): 0 {
    return 0;
  }

  readyForSplit(): boolean {
    return true;
  }

  /** `clear_page()`: oopses on a page with the key of an earlier use, because no context is entered. */
  private clearPage(pfn: Pfn): void {
    for (let attempt = 0; this.tableMemory.clear(pfn) !== OK; attempt++)
      this.faults.repairOrOops("clear_page", attempt);
  }

  /** Notifies the features. If one fails, notifies the earlier features of the free. @returns whether all succeeded */
  private notifyAllocated(pfn: Pfn): boolean {
    for (let i = 0; i < this.onAllocated.length; i++) {
      if (this.onAllocated[i]!(pfn) === 0) continue;
      while (--i >= 0) this.onFreeing[i]?.(pfn);
      return false;
    }
    return true;
  }
}
