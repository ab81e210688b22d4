import { SHRINK_STOP } from "@kpkeys/core/contracts";
import type { PageAllocator, Pfn, Shrinker } from "@kpkeys/core/contracts";
import type { Hardening } from "../hardening.js";
import type { RefillMutex } from "./mutex.js";
import type { PageData } from "./page-data.js";
import type { Pool } from "./pool.js";

/** Pages that stay in the pool under any memory pressure. */
const UNSHRINKABLE_PAGES = 16;

/** A block is broken up only if at least one page in this many is free. */
const FREE_FRACTION = 8;

/**
 * Frees cached table pages under memory pressure: "kpkeys-pgtable-block" (v6, patches 14 to 17). The order follows the cost in the
 * linear map. A block that is completely free loses its key in one entry. Pages of no block are in a part of the linear map that was
 * split before. A block in use is broken up last, and only if enough of it is free.
 */
export class PoolShrinker implements Shrinker {
  readonly name = "kpkeys-pgtable-block";
  readonly seeks = 0;
  /** One block of 4 KiB pages. */
  readonly batch = 512;
  private readonly blockPages: number;

  /**
   * @param blockOrder - order of a block
   * @param pages - the buddy allocator
   * @param mutex - held during a scan, so that a split may use the reserve
   * @param pool - the pool
   * @param data - the blocks
   * @param hardening - clears the key
   */
  constructor(
    private readonly blockOrder: number,
    private readonly pages: PageAllocator,
    private readonly mutex: RefillMutex,
    private readonly pool: Pool,
    private readonly data: PageData,
    private readonly hardening: Hardening,
  ) {
    this.blockPages = 2 ** blockOrder;
  }

  count(): number {
    return Math.max(0, this.pool.cached - UNSHRINKABLE_PAGES);
  }

  scan(wanted: number): number | typeof SHRINK_STOP {
    return this.mutex.tryHold(() => this.shrink(wanted)) ?? SHRINK_STOP;
  }

  private shrink(wanted: number): number {
    const block = this.freeBlock();
    if (block !== undefined) return this.releaseBlock(block);
    const limit = Math.min(wanted, this.count());
    const loose = this.releaseEach(this.pool.remove(limit, (pfn) => !this.data.inBlock(pfn)));
    return loose < limit ? loose + this.releasePartOfBlock(limit - loose) : loose;
  }

  private freeBlock(): Pfn | undefined {
    if (this.count() < this.blockPages) return undefined;
    for (const block of this.data.blocks) if (this.data.freePages(block) === this.blockPages) return block;
    return undefined;
  }

  private releaseBlock(block: Pfn): number {
    this.pool.remove(this.blockPages, (pfn) => this.data.blockOf(pfn) === block);
    const freed = this.release(block, this.blockOrder);
    if (freed > 0) this.data.dissolve(block);
    return freed;
  }

  private releasePartOfBlock(limit: number): number {
    for (const block of this.data.blocks) {
      if (this.data.freePages(block) < this.blockPages / FREE_FRACTION) continue;
      const removed = this.pool.remove(limit, (pfn) => this.data.blockOf(pfn) === block);
      this.data.dissolve(block);
      return this.releaseEach(removed);
    }
    return 0;
  }

  private releaseEach(pfns: readonly Pfn[]): number {
    return pfns.reduce((freed, pfn) => freed + this.release(pfn, 0), 0);
  }

  /** Clears the key and frees. Pages whose key cannot be cleared stay in the pool. @returns number of pages freed */
  private release(pfn: Pfn, order: number): number {
    const count = 2 ** order;
    if (this.hardening.unprotect("cached table pages", pfn, count) !== 0) {
      this.pool.add(pfn, count);
      return 0;
    }
    this.pages.free(pfn, order);
    return count;
  }
}
