import { inject, injectable } from "@kpkeys/core";
import { Errno, Gfp, LazyMmu, LinearMap, PageTableFormat, PageTables, toLevel, toVpn } from "@kpkeys/core/contracts";
import type { Level, LevelGeometry, Pfn, Vpn } from "@kpkeys/core/contracts";
import type { Addresses } from "./addresses.js";
import { entryAfter } from "./entries.js";
import { LeafWalk } from "./leaf-walk.js";
import type { Leaf } from "./leaf-walk.js";
import { TablePages } from "./table-pages.js";
import { TlbFlush } from "./tlb-flush.js";

/** Attempts to prepare the pages of a split. */
const MAX_TRIES = 16;

/**
 * Splits block mappings of the linear map, so that the attributes of a part can change.
 *
 * A block is in use while it is replaced, possibly by the store that replaces it. Break-before-make is therefore impossible. The split
 * fills a new table with leaves that map the same pages, replaces the block's entry by the table with one write, and then flushes the
 * TLB (arm64: FEAT_BBM level 2 without conflict aborts; x86 needs no feature).
 *
 * The split allocates all its tables before it changes an entry: at most two, a table of 2 MiB blocks and a table of pages.
 */
@injectable()
export class LinearSplit {
  /** Whether blocks may be split: after all CPUs are up (`system_capabilities_finalized()`). */
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
   * `split_kernel_leaf_mapping`: splits blocks so that a run of pages starts and ends at leaf boundaries. The two ends are split
   * separately: if the second split fails, the first remains, with the same translations.
   * @param page - first virtual page
   * @param pages - number of pages
   * @returns 0; -EINVAL if splits are not allowed yet; -EDEADLK inside a split; -ENOMEM, or an errno of the table allocator
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

  /** Whether a leaf starts at the page, or the page is not mapped. */
  private isEnd(page: Vpn): boolean {
    const leaf = this.walk.at(page);
    return leaf === undefined || page % leaf.size === 0;
  }

  /** Prepares pages without the lock and checks with the lock. Retries if the pages were used in between. */
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
    const newTables = this.allocTables(page, leaf.level);
    if (newTables === undefined) return Errno.ENOMEM;
    this.lazy.enable();
    for (const table of newTables) this.replaceByTable(this.walk.at(page)!, table);
    this.lazy.disable();
    return 0;
  }

  /** Allocates a table for each level below a leaf, down to the level whose leaves can start at the page; `undefined` on failure. */
  private allocTables(page: Vpn, from: Level): readonly Pfn[] | undefined {
    const newTables: Pfn[] = [];
    for (let level = from; level < this.lastLevel && page % this.pagesOf(level) !== 0; level = toLevel(level + 1)) {
      const pfn = this.tablePages.alloc("kernel", toLevel(level + 1), Gfp.KERNEL | Gfp.PGTABLE_SPLIT);
      if (pfn === undefined) {
        for (const table of newTables) this.tables.freeTable(table);
        return undefined;
      }
      newTables.push(pfn);
    }
    return newTables;
  }

  /** Replaces a leaf by a table of leaves of the next lower level. */
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
