import { toPfn } from "@kpkeys/core/contracts";
import type { Errno, PageAllocator, Pfn } from "@kpkeys/core/contracts";
import type { PageRange } from "../early.js";
import type { Hardening } from "../hardening.js";
import type { BlockGeometry } from "./geometry.js";
import type { RefillMutex } from "./mutex.js";
import type { PageData } from "./page-data.js";
import type { Pool } from "./pool.js";

/** Fills the pool from the buddy allocator. */
export interface Refiller {
  /** How many refills each order has served. */
  readonly byOrder: ReadonlyMap<number, number>;
  /** How many of them were not given the key when they were made: 1 on a machine that boots as it should. */
  readonly earlyRegions: number;
  /**
   * Takes the largest chunk to be had, gives it the key and puts it into the pool.
   * @param keepFirst - whether the caller gets the chunk's first page instead of the pool
   * @returns the chunk's first page, or `undefined` when there is no memory
   * @throws KpkeysError ERR_DEADLOCK when a refill is going on
   */
  refill(keepFirst: boolean): Pfn | undefined;
  /**
   * The linear map may be split from now on: gives the early region its key.
   */
  beginSplits(): void;
}

/**
 * Makes the refill. A chunk gets its key as a whole, before any page of it is in the pool: for a block that is one entry of the
 * linear map; a smaller chunk may cost {@link PAGES_PER_SPLIT} pages, which the splitter takes from the reserve while the mutex is
 * held here. Nothing in a refill allocates ordinary table pages, so it never comes back to itself.
 *
 * Before the linear map may be split no key can be set. One region from that time is remembered; a second one stays as it is,
 * which Linux accepts because at most 16 tables are needed until then (v6, patches 14 to 17).
 *
 * @param geometry - which orders are tried
 * @param pages - the buddy allocator
 * @param mutex - held meanwhile
 * @param pool - is filled
 * @param data - is told of blocks
 * @param hardening - key and tagging
 */
export function createRefiller(
  { blockOrder, refillOrders }: BlockGeometry,
  pages: () => PageAllocator,
  mutex: RefillMutex,
  pool: Pool,
  data: PageData,
  { pkey, tagging, warnOn }: Hardening,
): Refiller {
  const byOrder = new Map<number, number>();
  let splits = false;
  let region: PageRange | undefined;
  let earlyRegions = 0;

  function setKey(pfn: Pfn, count: number): 0 | Errno {
    const errno = tagging.linear(pfn, count, pkey);
    warnOn(errno !== 0, `${count} pages from ${pfn} cannot get the key PGTABLES: ${errno}`);
    return errno;
  }

  function remember(pfn: Pfn, count: number): void {
    earlyRegions++;
    warnOn(region !== undefined, `${count} table pages from ${pfn} are a second early region: they stay unprotected`);
    region ??= { pfn, pages: count };
  }

  function takeChunk(): { readonly pfn: Pfn; readonly order: number } | undefined {
    for (const order of refillOrders) {
      const pfn = pages().alloc(order);
      if (pfn !== undefined) return { pfn, order };
    }
    return undefined;
  }

  function fill(keepFirst: boolean): Pfn | undefined {
    const chunk = takeChunk();
    if (chunk === undefined) return undefined;
    const { pfn, order } = chunk;
    const count = 2 ** order;
    if (!splits) remember(pfn, count);
    else if (setKey(pfn, count) !== 0) {
      pages().free(pfn, order);
      return undefined;
    }
    if (order === blockOrder) data.makeBlock(pfn);
    const kept = keepFirst ? 1 : 0;
    pool.add(toPfn(pfn + kept), count - kept);
    byOrder.set(order, (byOrder.get(order) ?? 0) + 1);
    return pfn;
  }

  return {
    byOrder,
    get earlyRegions() {
      return earlyRegions;
    },
    refill: (keepFirst) => mutex.hold(() => fill(keepFirst)),
    beginSplits() {
      splits = true;
      if (region !== undefined) setKey(region.pfn, region.pages);
    },
  };
}
