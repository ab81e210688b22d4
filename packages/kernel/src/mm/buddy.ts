import type { PageAllocator } from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";
import { createReclaim } from "./reclaim.js";

/** MAX_PAGE_ORDER where an architecture does not say otherwise: blocks of 1,024 pages. */
export const DEFAULT_MAX_ORDER = 10;

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

/** A link for each of an order's blocks, and for the part of one at the end. */
function linksOf(blocks: number): Int32Array {
  return new Int32Array(reserve((blocks + 2) * 4));
}

/**
 * Makes an empty buddy allocator. A largest block is split for pages of one mobility (MIGRATE_UNMOVABLE, MIGRATE_MOVABLE) and keeps
 * its kind until all of it is free again, so that table pages lie together and not wherever a user page was.
 *
 * Free blocks of an order and kind form a doubly linked list, through arrays of the order's own that are indexed by block, so that
 * large blocks of a large machine lie close together. A link is the number of a block plus 1, so that zeroed arrays mean empty
 * lists; the first block of a list has the mark {@link FIRST} for the one before it, so that 0 means taken.
 *
 * @param firstPfn - first page-frame number of RAM, a multiple of the largest block
 * @param frames - number of page frames, holes included
 * @param maxOrder - order of the largest block
 */
export function createBuddyAllocator(
  firstPfn: number,
  frames: number,
  maxOrder: number = DEFAULT_MAX_ORDER,
): BuddyAllocator {
  // Lists of free blocks: one for each order and mobility, and one of the largest blocks, which belong to nobody yet.
  const UNMOVABLE = 0;
  const MOVABLE = maxOrder;
  const LARGEST = 2 * maxOrder;
  const nextOf = Array.from({ length: maxOrder + 1 }, (_, order) => linksOf(frames >>> order));
  const previousOf = Array.from(nextOf, (_, order) => linksOf(frames >>> order));
  /** The orders below the largest unmovable, the same movable, the largest. */
  const heads = new Int32Array(LARGEST + 1);
  /** Of each largest block what it was split for: {@link UNMOVABLE} or {@link MOVABLE}. */
  const kinds = new Uint8Array(reserve((frames >>> maxOrder) + 1));
  const reclaim = createReclaim();

  function listOf(page: number, order: number): number {
    return order === maxOrder ? LARGEST : kinds[page >>> maxOrder]! + order;
  }

  function push(page: number, order: number): void {
    const next = nextOf[order]!;
    const previous = previousOf[order]!;
    const list = listOf(page, order);
    const link = (page >>> order) + 1;
    const head = heads[list]!;
    next[link] = head;
    previous[link] = FIRST;
    if (head !== 0) previous[head] = link;
    heads[list] = link;
  }

  function unlink(page: number, order: number): void {
    const next = nextOf[order]!;
    const previous = previousOf[order]!;
    const link = (page >>> order) + 1;
    const after = next[link]!;
    const before = previous[link]!;
    if (before === FIRST) heads[listOf(page, order)] = after;
    else next[before] = after;
    if (after !== 0) previous[after] = before;
    previous[link] = 0;
  }

  /** The order of the smallest free block of a kind that is large enough; a largest one becomes of that kind. */
  function findFree(order: number, kind: number): number {
    for (let from = order; from < maxOrder; from++) if (heads[kind + from] !== 0) return from;
    return order > maxOrder || heads[LARGEST] === 0 ? -1 : maxOrder;
  }

  function take(order: number, kind: number): number {
    const own = findFree(order, kind);
    const from = own >= 0 ? own : findFree(order, MOVABLE - kind);
    if (from < 0) return -1;
    const list = from === maxOrder ? LARGEST : (own >= 0 ? kind : MOVABLE - kind) + from;
    const page = (heads[list]! - 1) << from;
    unlink(page, from);
    if (from === maxOrder) kinds[page >>> maxOrder] = kind;
    for (let half = from - 1; half >= order; half--) push(page + (1 << half), half);
    buddyAllocator.freePages -= 1 << order;
    return firstPfn + page;
  }

  function alloc(order: number, movable = false): number {
    const kind = movable ? MOVABLE : UNMOVABLE;
    const pfn = take(order, kind);
    return pfn >= 0 ? pfn : reclaim.until(() => take(order, kind));
  }

  function free(pfn: number, order: number): void {
    buddyAllocator.freePages += 1 << order;
    let page = pfn - firstPfn;
    while (order < maxOrder) {
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
      while (order < maxOrder && (pfn - firstPfn) % (2 << order) === 0 && pfn + (2 << order) <= end) order++;
      free(pfn, order);
      pfn += 1 << order;
    }
  }

  // Plain fields: an object literal with accessors is slow to use.
  const buddyAllocator: { -readonly [F in keyof BuddyAllocator]: BuddyAllocator[F] } = {
    maxOrder,
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
