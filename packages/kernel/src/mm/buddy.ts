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

/** Lists of free blocks: one for each order and mobility, and one of the largest blocks, which belong to nobody yet. */
const UNMOVABLE = 0;
const MOVABLE = MAX_ORDER;

/**
 * Makes an empty buddy allocator. A largest block is split for pages of one mobility (MIGRATE_UNMOVABLE, MIGRATE_MOVABLE) and keeps
 * its kind until all of it is free again, so that table pages lie together and not wherever a user page was. Free blocks of an order form a doubly linked list through arrays indexed by page: a link is
 * the page's number relative to the first page of RAM, plus 1, so that zeroed arrays mean empty lists.
 *
 * @param firstPfn - first page-frame number of RAM, a multiple of the largest block
 * @param frames - number of page frames, holes included
 */
export function createBuddyAllocator(firstPfn: number, frames: number): BuddyAllocator {
  const next = new Int32Array(frames + 1);
  const previous = new Int32Array(frames + 1);
  const orderOfFree = new Uint8Array(frames + 1);
  /** Orders 0 to 9 unmovable, the same movable, the largest. */
  const heads = new Int32Array(2 * MAX_ORDER + 1);
  /** Of each largest block what it was split for: {@link UNMOVABLE} or {@link MOVABLE}. */
  const kinds = new Uint8Array((frames >>> MAX_ORDER) + 1);
  const reclaim = createReclaim();

  /** The list of a free block, whose number is 1 more than its page's. */
  function listOf(block: number, order: number): number {
    return order === MAX_ORDER ? 2 * MAX_ORDER : kinds[(block - 1) >>> MAX_ORDER]! + order;
  }

  function push(block: number, order: number): void {
    const list = listOf(block, order);
    const head = heads[list]!;
    next[block] = head;
    previous[block] = 0;
    if (head !== 0) previous[head] = block;
    heads[list] = block;
    orderOfFree[block] = order + 1;
  }

  function unlink(block: number, order: number): void {
    const after = next[block]!;
    const before = previous[block]!;
    if (before === 0) heads[listOf(block, order)] = after;
    else next[before] = after;
    if (after !== 0) previous[after] = before;
    orderOfFree[block] = 0;
  }

  /** The smallest free block of a kind that is large enough; a largest one becomes of that kind; else one of the other kind. */
  function findFree(order: number, kind: number): number {
    for (let from = order; from < MAX_ORDER; from++) if (heads[kind + from] !== 0) return from;
    if (heads[2 * MAX_ORDER] !== 0) return MAX_ORDER;
    return -1;
  }

  function take(order: number, kind: number): number {
    const own = findFree(order, kind);
    const from = own >= 0 ? own : findFree(order, MOVABLE - kind);
    if (from < 0) return -1;
    const list = from === MAX_ORDER ? 2 * MAX_ORDER : (own >= 0 ? kind : MOVABLE - kind) + from;
    const block = heads[list]!;
    unlink(block, from);
    if (from === MAX_ORDER) kinds[(block - 1) >>> MAX_ORDER] = kind;
    for (let half = from - 1; half >= order; half--) push(block + (1 << half), half);
    buddyAllocator.freePages -= 1 << order;
    return firstPfn + block - 1;
  }

  function alloc(order: number, movable = false): number {
    const kind = movable ? MOVABLE : UNMOVABLE;
    const pfn = take(order, kind);
    return pfn >= 0 ? pfn : reclaim.until(() => take(order, kind));
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
