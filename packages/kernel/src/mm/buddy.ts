import type { PageAllocator } from "@kpkeys/core/contracts";
import { createReclaim } from "./reclaim.js";

/** Largest order: blocks of 4 MiB. */
const MAX_ORDER = 10;

/** Instead of the link to the block before the first one. */
const FIRST = -1;

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
 * Makes an empty buddy allocator. Free blocks of an order form a doubly linked list, through arrays of the order's own that are
 * indexed by block, so that large blocks of a large machine lie close together. A link is the number of a block plus 1, so that zeroed
 * arrays mean empty lists; the first block of a list has the mark {@link FIRST} for the one before it, so that 0 means taken.
 *
 * @param firstPfn - first page-frame number of RAM, a multiple of the largest block
 * @param frames - number of page frames, holes included
 */
export function createBuddyAllocator(firstPfn: number, frames: number): BuddyAllocator {
  const nextOf = Array.from({ length: MAX_ORDER + 1 }, (_, order) => new Int32Array((frames >>> order) + 2));
  const previousOf = nextOf.map(({ length }) => new Int32Array(length));
  const heads = new Int32Array(64);
  const reclaim = createReclaim();

  function push(page: number, order: number): void {
    const next = nextOf[order]!;
    const previous = previousOf[order]!;
    const link = (page >>> order) + 1;
    const head = heads[order]!;
    next[link] = head;
    previous[link] = FIRST;
    if (head !== 0) previous[head] = link;
    heads[order] = link;
  }

  function unlink(page: number, order: number): void {
    const next = nextOf[order]!;
    const previous = previousOf[order]!;
    const link = (page >>> order) + 1;
    const after = next[link]!;
    const before = previous[link]!;
    if (before === FIRST) heads[order] = after;
    else next[before] = after;
    if (after !== 0) previous[after] = before;
    previous[link] = 0;
  }

  function take(order: number): number {
    let from = order;
    while (from <= MAX_ORDER && heads[from] === 0) from++;
    if (from > MAX_ORDER) return -1;
    const page = (heads[from]! - 1) << from;
    unlink(page, from);
    while (from > order) {
      from--;
      push(page + (1 << from), from);
    }
    buddyAllocator.freePages -= 1 << order;
    return firstPfn + page;
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
      if (buddy >= frames || previousOf[order]![(buddy >>> order) + 1] === 0) break;
      unlink(buddy, order);
      page &= ~(1 << order);
      order++;
    }
    push(page, order);
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
