import { inject, injectable } from "@kpkeys/core";
import { PgtableArch, PhysicalMemory, toPfn } from "@kpkeys/core/contracts";
import type { PageAllocator, Pfn, Shrinker } from "@kpkeys/core/contracts";
import { reserve } from "@kpkeys/core/machine";
import { Reclaim } from "./reclaim.js";

/** Default of `PgtableArch.maxPageOrder` (MAX_PAGE_ORDER): blocks of 1,024 pages. */
export const DEFAULT_MAX_ORDER = 10;

/** The previous-link of the first block of a list. */
const FIRST = -1;

/** A mobility is the index of its first list: 0 for MIGRATE_UNMOVABLE, the largest order for MIGRATE_MOVABLE. */
const UNMOVABLE = 0;

/**
 * The buddy allocator. It has no pages before {@link addRange}. A block of the largest order is split for pages of one mobility
 * (MIGRATE_UNMOVABLE, MIGRATE_MOVABLE) and keeps that mobility until it is completely free. Table pages are therefore grouped, and not
 * scattered among user pages.
 *
 * Free blocks of one order and mobility form a doubly linked list. The links are in arrays, one pair for each order, indexed by block
 * number. A link is a block number plus 1, so zeroed arrays are empty lists. The previous-link of a list's first block is
 * {@link FIRST}; 0 there means that the block is not free.
 *
 * Block numbers start at the first page of RAM, which is aligned to the largest order. Holes have numbers too.
 */
@injectable()
export class BuddyAllocator implements PageAllocator {
  readonly maxOrder: number;
  freePages = 0;
  totalPages = 0;
  private readonly firstPfn: Pfn;
  private readonly frames: number;
  private readonly nextOf: readonly Int32Array[];
  private readonly previousOf: readonly Int32Array[];
  /** List heads: unmovable blocks below the largest order, movable ones below it, blocks of the largest order. */
  private readonly heads: Int32Array;
  /** Mobility of each block of the largest order that is split. */
  private readonly kinds: Uint8Array;
  private readonly movable: number;
  private readonly largest: number;
  private readonly reclaim = new Reclaim();

  constructor(
    @inject(PhysicalMemory) memory: Pick<PhysicalMemory, "firstPfn" | "endPfn">,
    @inject(PgtableArch) arch: Pick<PgtableArch, "maxPageOrder">,
  ) {
    const frames = memory.endPfn - memory.firstPfn;
    const maxOrder = arch.maxPageOrder ?? DEFAULT_MAX_ORDER;
    // One link for each block of an order, and one for a partial block at the end.
    const links = (_: unknown, order: number): Int32Array => new Int32Array(reserve(((frames >>> order) + 2) * 4));
    this.firstPfn = toPfn(memory.firstPfn);
    this.frames = frames;
    this.maxOrder = maxOrder;
    this.movable = maxOrder;
    this.largest = 2 * maxOrder;
    this.nextOf = Array.from({ length: maxOrder + 1 }, links);
    this.previousOf = Array.from({ length: maxOrder + 1 }, links);
    this.heads = new Int32Array(this.largest + 1);
    this.kinds = new Uint8Array(reserve((frames >>> maxOrder) + 1));
  }

  alloc(order: number, movable = false): Pfn | undefined {
    const kind = movable ? this.movable : UNMOVABLE;
    return this.allocBlock(order, kind) ?? this.reclaim.until(() => this.allocBlock(order, kind));
  }

  free(pfn: Pfn, order: number): void {
    this.freePages += 1 << order;
    let page = pfn - this.firstPfn;
    while (order < this.maxOrder) {
      const buddy = page ^ (1 << order);
      if (buddy >= this.frames || this.previousOf[order]![(buddy >>> order) + 1] === 0) break;
      this.unlink(buddy, order);
      page &= ~(1 << order);
      order++;
    }
    this.push(page, order);
  }

  registerShrinker(shrinker: Shrinker): void {
    this.reclaim.register(shrinker);
  }

  /**
   * Adds a run of free pages.
   * @param start - first page-frame number
   * @param end - one past the last
   */
  addRange(start: Pfn, end: Pfn): void {
    this.totalPages += end - start;
    let pfn = start;
    while (pfn < end) {
      let order = 0;
      while (order < this.maxOrder && (pfn - this.firstPfn) % (2 << order) === 0 && pfn + (2 << order) <= end) order++;
      this.free(pfn, order);
      pfn = toPfn(pfn + (1 << order));
    }
  }

  private listOf(page: number, order: number): number {
    return order === this.maxOrder ? this.largest : this.kinds[page >>> this.maxOrder]! + order;
  }

  private push(page: number, order: number): void {
    const previous = this.previousOf[order]!;
    const list = this.listOf(page, order);
    const link = (page >>> order) + 1;
    const head = this.heads[list]!;
    this.nextOf[order]![link] = head;
    previous[link] = FIRST;
    if (head !== 0) previous[head] = link;
    this.heads[list] = link;
  }

  private unlink(page: number, order: number): void {
    const next = this.nextOf[order]!;
    const previous = this.previousOf[order]!;
    const link = (page >>> order) + 1;
    const after = next[link]!;
    const before = previous[link]!;
    if (before === FIRST) this.heads[this.listOf(page, order)] = after;
    else next[before] = after;
    if (after !== 0) previous[after] = before;
    previous[link] = 0;
  }

  /** The order of the smallest sufficient free block of a mobility. A block of the largest order serves both mobilities. */
  private findFree(order: number, kind: number): number | undefined {
    for (let from = order; from < this.maxOrder; from++) if (this.heads[kind + from] !== 0) return from;
    return order > this.maxOrder || this.heads[this.largest] === 0 ? undefined : this.maxOrder;
  }

  private allocBlock(order: number, kind: number): Pfn | undefined {
    const { maxOrder, movable, largest } = this;
    const own = this.findFree(order, kind);
    const from = own ?? this.findFree(order, movable - kind);
    if (from === undefined) return undefined;
    const list = from === maxOrder ? largest : (own === undefined ? movable - kind : kind) + from;
    const page = (this.heads[list]! - 1) << from;
    this.unlink(page, from);
    if (from === maxOrder) this.kinds[page >>> maxOrder] = kind;
    for (let half = from - 1; half >= order; half--) this.push(page + (1 << half), half);
    this.freePages -= 1 << order;
    return toPfn(this.firstPfn + page);
  }
}
