import { toPfn } from "@kpkeys/core/contracts";
import type { Errno, PageAllocator, Pfn } from "@kpkeys/core/contracts";
import type { PageRange } from "../early.js";
import type { Hardening } from "../hardening.js";
import type { BlockGeometry } from "./geometry.js";
import type { RefillMutex } from "./mutex.js";
import type { PageData } from "./page-data.js";
import type { Pool } from "./pool.js";

/**
 * Fills the pool from the buddy allocator. A chunk gets its key as a whole, before any page of it is in the pool. For a block that
 * is one entry of the linear map; a smaller chunk may need a split, whose {@link PAGES_PER_SPLIT} tables come from the reserve because
 * this task owns the mutex. A refill allocates no ordinary table page, so refills do not nest.
 *
 * Before the linear map may be split no key can be set. One region from that time is recorded and gets its key late; a second one
 * stays unprotected, which Linux accepts because at most 16 tables are needed until then (v6, patches 14 to 17).
 */
export class Refiller {
  /** Number of refills by the order of their chunk. */
  readonly byOrder: Map<number, number> = new Map();
  /** Number of refills before the linear map may be split; 1 in an ordinary boot. */
  earlyRegions = 0;
  private maySplit = false;
  private region: PageRange | undefined;

  /**
   * @param geometry - the orders, in the order in which they are tried
   * @param pages - the buddy allocator
   * @param mutex - held during a refill
   * @param pool - the pool
   * @param data - receives new blocks
   * @param hardening - sets the key
   */
  constructor(
    private readonly geometry: BlockGeometry,
    private readonly pages: () => PageAllocator,
    private readonly mutex: RefillMutex,
    private readonly pool: Pool,
    private readonly data: PageData,
    private readonly hardening: Hardening,
  ) {}

  /**
   * Allocates the largest chunk available, sets the key on it and adds it to the pool.
   * @param keepFirst - whether the caller gets the chunk's first page instead of the pool
   * @returns the chunk's first page, or `undefined` if there is no memory or the key cannot be set
   * @throws KpkeysError ERR_DEADLOCK during another refill
   */
  refill(keepFirst: boolean): Pfn | undefined {
    return this.mutex.hold(() => this.fill(keepFirst));
  }

  /** Called when the linear map may be split: sets the key on the early region. */
  beginSplits(): void {
    this.maySplit = true;
    if (this.region !== undefined) this.protect(this.region.pfn, this.region.pages);
  }

  private fill(keepFirst: boolean): Pfn | undefined {
    const chunk = this.allocChunk();
    if (chunk === undefined) return undefined;
    const { pfn, order } = chunk;
    const count = 2 ** order;
    if (!this.maySplit) this.record(pfn, count);
    else if (this.protect(pfn, count) !== 0) {
      this.pages().free(pfn, order);
      return undefined;
    }
    if (order === this.geometry.blockOrder) this.data.makeBlock(pfn);
    const kept = keepFirst ? 1 : 0;
    this.pool.add(toPfn(pfn + kept), count - kept);
    this.byOrder.set(order, (this.byOrder.get(order) ?? 0) + 1);
    return pfn;
  }

  private allocChunk(): { readonly pfn: Pfn; readonly order: number } | undefined {
    for (const order of this.geometry.refillOrders) {
      const pfn = this.pages().alloc(order);
      if (pfn !== undefined) return { pfn, order };
    }
    return undefined;
  }

  private record(pfn: Pfn, pages: number): void {
    this.earlyRegions++;
    if (this.region !== undefined)
      this.hardening.warn(`a second early region stays unprotected: ${pages} table pages from page ${pfn}`);
    this.region ??= { pfn, pages };
  }

  private protect(pfn: Pfn, pages: number): 0 | Errno {
    return this.hardening.protect("cached table pages", pfn, pages);
  }
}
