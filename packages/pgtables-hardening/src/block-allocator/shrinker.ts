import { SHRINK_STOP, toPkey } from "@kpkeys/core/contracts";
import type { PageAllocator, Pfn, Shrinker } from "@kpkeys/core/contracts";
import type { Hardening } from "../hardening.js";
import type { BlockGeometry } from "./geometry.js";
import type { RefillMutex } from "./mutex.js";
import type { PageData } from "./page-data.js";
import type { Pool } from "./pool.js";

/** Pages that stay in the pool however short memory is. */
const UNSHRINKABLE_PAGES = 16;

/** How many pages are asked for at once: a block of 4 KiB pages. */
const BATCH = 512;

/** A block is broken up only if at least one page in this many is free. */
const FREE_FRACTION = 8;

/**
 * Gives cached table pages back when memory is short: "kpkeys-pgtable-block" (v6, patches 14 to 17). In the order of what it costs the
 * linear map: a block that is free as a whole loses its key in one entry; pages of no block lie in a part of the linear map that
 * was split before; a block in use is broken up at last, and only one that is free to a good part.
 *
 * @param geometry - the size of a block
 * @param pages - the buddy allocator
 * @param mutex - held meanwhile, so that a split may draw on the reserve
 * @param pool - is shrunk
 * @param data - what is known of blocks
 * @param hardening - key and tagging
 */
export function createShrinker(
  { blockOrder }: BlockGeometry,
  pages: () => PageAllocator,
  mutex: RefillMutex,
  pool: Pool,
  data: PageData,
  { tagging, warnOn }: Hardening,
): Shrinker {
  const blockPages = 2 ** blockOrder;
  const shrinkable = (): number => Math.max(0, pool.cached - UNSHRINKABLE_PAGES);

  /** Takes the key away and frees; what cannot lose its key stays in the pool. */
  function release(pfn: Pfn, order: number): number {
    const count = 2 ** order;
    const errno = tagging.linear(pfn, count, toPkey(0));
    warnOn(errno !== 0, `${count} cached table pages from ${pfn} cannot lose the key PGTABLES: ${errno}`);
    if (errno === 0) pages().free(pfn, order);
    else pool.add(pfn, count);
    return errno === 0 ? count : 0;
  }

  function releaseEach(pfns: readonly Pfn[]): number {
    return pfns.reduce((freed, pfn) => freed + release(pfn, 0), 0);
  }

  function findFreeBlock(): Pfn | undefined {
    if (shrinkable() < blockPages) return undefined;
    for (const block of data.blocks) if (data.freePages(block) === blockPages) return block;
    return undefined;
  }

  function freeBlock(block: Pfn): number {
    pool.remove(blockPages, (pfn) => data.blockOf(pfn) === block);
    const freed = release(block, blockOrder);
    if (freed > 0) data.dissolve(block);
    return freed;
  }

  function freePartOfBlock(limit: number): number {
    for (const block of data.blocks) {
      if (data.freePages(block) < blockPages / FREE_FRACTION) continue;
      const removed = pool.remove(limit, (pfn) => data.blockOf(pfn) === block);
      data.dissolve(block);
      return releaseEach(removed);
    }
    return 0;
  }

  function scan(wanted: number): number {
    const block = findFreeBlock();
    if (block !== undefined) return freeBlock(block);
    const limit = Math.min(wanted, shrinkable());
    const loose = releaseEach(pool.remove(limit, (pfn) => !data.inBlock(pfn)));
    return loose < limit ? loose + freePartOfBlock(limit - loose) : loose;
  }

  return {
    name: "kpkeys-pgtable-block",
    seeks: 0,
    batch: BATCH,
    count: shrinkable,
    scan: (wanted) => mutex.tryHold(() => scan(wanted)) ?? SHRINK_STOP,
  };
}
