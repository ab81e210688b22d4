import type { PageAllocator } from "@kpkeys/core/contracts";
import { createReclaim } from "./reclaim.js";

/** Largest order: blocks of 4 MiB. */
const MAX_ORDER = 10;

/** The buddy allocator with what only boot needs. */
export interface BuddyAllocator extends PageAllocator {
  /**
   * Hands a run of pages to the allocator.
   * @param start - first page-frame number
   * @param end - one past the last
   */
  addRange(start: number, end: number): void;
}

/**
 * Makes an empty buddy allocator. Free blocks of an order form a doubly linked list through arrays indexed by page: a link is
 * the page's number relative to the first page of RAM, plus 1, so that zeroed arrays mean empty lists.
 *
 * @param firstPfn - first page-frame number of RAM, a multiple of the largest block
 * @param frames - number of page frames, holes included
 */
export function createBuddyAllocator(firstPfn: number, frames: number): BuddyAllocator {
  const next = new Int32Array(frames + 1);
  const previous = new Int32Array(frames + 1);
  const orderOfFree = new Uint8Array(frames + 1);
  const heads = new Int32Array(MAX_ORDER + 1);
  const reclaim = createReclaim();

  function push(block: number, order: number): void {
    const head = heads[order]!;
    next[block] = head;
    previous[block] = 0;
    if (head !== 0) previous[head] = block;
    heads[order] = block;
    orderOfFree[block] = order + 1;
  }

  function unlink(block: number, order: number): void {
    const after = next[block]!;
    const before = previous[block]!;
    if (before === 0) heads[order] = after;
    else next[before] = after;
    if (after !== 0) previous[after] = before;
    orderOfFree[block] = 0;
  }

  function take(order: number): number {
    let from = order;
    while (from <= MAX_ORDER && heads[from] === 0) from++;
    if (from > MAX_ORDER) return -1;
    const block = heads[from]!;
    unlink(block, from);
    while (from > order) {
      from--;
      push(block + (1 << from), from);
    }
    buddyAllocator.freePages -= 1 << order;
    return firstPfn + block - 1;
  }

  function alloc(order: number): number {
    const pfn = take(order);
    return pfn >= 0 ? pfn : reclaim.until(() => take(order));
  }

  function free(pfn: number, order: number): void {
    buddyAllocator.freePages += 1 << order;
    let page = pfn - firstPfn;
    while (order < MAX_ORDER) {
      const buddy = page ^ (1 << order);
      if (buddy >= frames || orderOfFree[buddy + 1] !== order + 1) break;
      unlink(buddy + 1, order);
      page &= ~(1 << order);
      order++;
    }
    push(page + 1, order);
  }

  function addRange(start: number, end: number): void {
    buddyAllocator.totalPages += end - start;
    let pfn = start;
    while (pfn < end) {
      let order = 0;
      while (order < MAX_ORDER && (pfn - firstPfn) % (2 << order) === 0 && pfn + (2 << order) <= end) order++;
      free(pfn, order);
      pfn += 1 << order;
    }
  }

  // Plain fields: an object literal with accessors is slow to use.
  const buddyAllocator: { -readonly [F in keyof BuddyAllocator]: BuddyAllocator[F] } = {
    maxOrder: MAX_ORDER,
    freePages: 0,
    totalPages: 0,
    alloc,
    free,
    registerShrinker(shrinker) {
      reclaim.register(shrinker);
    },
    addRange,
  };
  return buddyAllocator;
}
