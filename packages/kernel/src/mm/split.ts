import { inject, injectable } from "@kpkeys/core";
import { Errno, Gfp, LazyMmu, LinearMap, PageTableFormat, PageTables, toLevel, toVpn } from "@kpkeys/core/contracts";
import type { Level, LevelGeometry, Pfn, Vpn } from "@kpkeys/core/contracts";
import type { Addresses } from "./addresses.js";
import { entryAfter } from "./entries.js";
import { LeafWalk } from "./leaf-walk.js";
import type { Leaf } from "./leaf-walk.js";
import { TablePages } from "./table-pages.js";
import { TlbFlush } from "./tlb-flush.js";

/** How often a splitter asks again whether the pages for a split are there. */
const MAX_TRIES = 16;

/**
 * Splits blocks of the linear map, so that a part of one can get attributes of its own.
 *
 * A block is replaced while it is in use, perhaps for the very store that replaces it, so it cannot be made invalid in between:
 * the new table is filled first, with leaves that map what the block maps, and one write of the block's entry then puts the table
 * in its place (arm64: FEAT_BBM level 2 without conflict aborts; x86 allows it as such). The block's translations go after.
 *
 * Nothing is changed before all pages of a split are there: two at most, a table of 2 MiB blocks and a table of pages.
 */
@injectable()
export class LinearSplit {
  /** Whether blocks may be split: not before it is known what all CPUs can do (`system_capabilities_finalized()`). */
  allowed = false;
  /** `pgtable_split_lock`. */
  private locked = false;
  private readonly levels: readonly LevelGeometry[];
  private readonly pageShift: number;
  private readonly lastLevel: Level;

  constructor(
    @inject(PageTables) private readonly tables: PageTables,
    @inject(TablePages) private readonly tablePages: TablePages,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(LeafWalk) private readonly walk: LeafWalk,
    @inject(LazyMmu) private readonly lazy: LazyMmu,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
    @inject(LinearMap) private readonly addresses: Addresses,
  ) {
    this.levels = format.geometry.levels;
    this.pageShift = format.geometry.pageShift;
    this.lastLevel = toLevel(this.levels.length - 1);
  }

  /**
   * `split_kernel_leaf_mapping`: sees to it that a run of pages begins and ends where leaves do. Each end is split on its own, so
   * when the second cannot be, the first stays split: it maps what it mapped before.
   * @param page - first virtual page
   * @param pages - length
   * @returns 0; -EINVAL while splitting is not allowed; -EDEADLK in a split; -ENOMEM, or the errno of the table allocator
   */
  atEnds(page: Vpn, pages: number): 0 | Errno {
    if (this.addresses.pteMapped) return 0;
    for (const end of [page, toVpn(page + pages)]) {
      if (this.isEnd(end)) continue;
      if (!this.allowed) return Errno.EINVAL;
      if (this.locked) return Errno.EDEADLK;
      const errno = this.prepareAndSplit(end);
      if (errno !== 0) return errno;
    }
    return 0;
  }

  /** Whether a leaf begins at a page, or nothing is mapped there. */
  private isEnd(page: Vpn): boolean {
    const leaf = this.walk.at(page);
    return leaf === undefined || page % leaf.size === 0;
  }

  /** Prepares without the lock, looks with it, and begins again when the pages have been taken in between. */
  private prepareAndSplit(page: Vpn): 0 | Errno {
    const { allocator } = this.tablePages;
    for (let i = 0; i < MAX_TRIES; i++) {
      const errno = allocator.prepareSplit();
      if (errno !== 0) return errno;
      this.locked = true;
      try {
        if (allocator.readyForSplit()) return this.splitAt(page);
      } finally {
        this.locked = false;
      }
    }
    return Errno.ENOMEM;
  }

  /** `split_kernel_leaf_mapping_locked`. */
  private splitAt(page: Vpn): 0 | Errno {
    const leaf = this.walk.at(page);
    if (leaf === undefined) return 0;
    const taken = this.takeTables(page, leaf.level);
    if (taken === undefined) return Errno.ENOMEM;
    this.lazy.enable();
    for (const table of taken) this.replaceByTable(this.walk.at(page)!, table);
    this.lazy.disable();
    return 0;
  }

  /** Table pages for the levels below a leaf, as far down as a leaf has to begin at the page; none when one is not to be had. */
  private takeTables(page: Vpn, from: Level): readonly Pfn[] | undefined {
    const taken: Pfn[] = [];
    for (let level = from; level < this.lastLevel && page % this.pagesOf(level) !== 0; level = toLevel(level + 1)) {
      const pfn = this.tablePages.alloc("kernel", toLevel(level + 1), Gfp.KERNEL | Gfp.PGTABLE_SPLIT);
      if (pfn === undefined) {
        for (const table of taken) this.tables.freeTable(table);
        return undefined;
      }
      taken.push(pfn);
    }
    return taken;
  }

  /** Replaces a leaf by a table of leaves one level below. */
  private replaceByTable({ level, table: above, index, value, page, size }: Leaf, table: Pfn): void {
    const { tables, format, pageShift } = this;
    const below = toLevel(level + 1);
    const count = 2 ** this.levels[below]!.indexBits;
    const first = format.splitLeaf(value, level);
    if (below === this.lastLevel) tables.setPtes(table, 0, first, count);
    else
      for (let i = 0; i < count; i++)
        tables.setEntry(below, table, i, entryAfter(first, i * this.pagesOf(below), pageShift));

    tables.setEntry(level, above, index, format.makeTable(table, false));
    this.tlb.range(toVpn(page - (page % size)), size);
    const counts = this.addresses.linearMap;
    counts.leaves[level]!--;
    counts.leaves[below]! += count;
    counts.tables++;
    counts.splits++;
  }

  private pagesOf(level: Level): number {
    return 2 ** (this.levels[level]!.shift - this.pageShift);
  }
}
