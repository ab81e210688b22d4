import { Errno, Gfp, toLevel, toVpn } from "@kpkeys/core/contracts";
import type { LazyMmu, Level, PageTableFormat, PageTables, Pfn, Vpn } from "@kpkeys/core/contracts";
import { entryAfter } from "./addresses.js";
import type { Addresses } from "./addresses.js";
import type { Leaf, LeafWalk } from "./leaf-walk.js";
import type { TablePages } from "./table-pages.js";
import type { TlbFlush } from "./tlb-flush.js";

/** How often a splitter asks again whether the pages for a split are there. */
const MAX_TRIES = 16;

/** Splits blocks of the linear map, so that a part of one can get attributes of its own. */
export interface LinearSplit {
  /** Whether blocks may be split: not before it is known what all CPUs can do (`system_capabilities_finalized()`). */
  allowed: boolean;
  /**
   * `split_kernel_leaf_mapping`: sees to it that a run of pages begins and ends where leaves do. Each end is split on its own, so
   * when the second cannot be, the first stays split: it maps what it mapped before.
   * @param page - first virtual page
   * @param pages - length
   * @returns 0; -EINVAL while splitting is not allowed; -EDEADLK in a split; -ENOMEM, or the errno of the table allocator
   */
  atEnds(page: Vpn, pages: number): number;
}

/**
 * Makes the splitter.
 *
 * A block is replaced while it is in use, perhaps for the very store that replaces it, so it cannot be made invalid in between:
 * the new table is filled first, with leaves that map what the block maps, and one write of the block's entry then puts the table
 * in its place (arm64: FEAT_BBM level 2 without conflict aborts; x86 allows it as such). The block's translations go after.
 *
 * Nothing is changed before all pages of a split are there: two at most, a table of 2 MiB blocks and a table of pages.
 *
 * @param tables - the setters
 * @param tablePages - gives the new tables
 * @param format - the codec
 * @param walk - finds the block
 * @param lazy - around the writes of each split
 * @param tlb - invalidation
 * @param addresses - the linear map, whose leaves are counted
 */
export function createLinearSplit(
  tables: PageTables,
  tablePages: TablePages,
  format: PageTableFormat,
  walk: LeafWalk,
  lazy: LazyMmu,
  tlb: TlbFlush,
  addresses: Addresses,
): LinearSplit {
  const { levels, pageShift } = format.geometry;
  const lastLevel = levels.length - 1;
  const counts = addresses.linearMap;
  /** `pgtable_split_lock`. */
  let locked = false;

  const pagesOf = (level: Level): number => 2 ** (levels[level]!.shift - pageShift);

  /** Whether a leaf begins at a page, or nothing is mapped there. */
  function isEnd(page: Vpn): boolean {
    const leaf = walk.at(page);
    return leaf === undefined || page % leaf.size === 0;
  }

  /** Replaces a leaf by a table of leaves one level below. */
  function replaceByTable({ level, table: above, index, value, page, size }: Leaf, table: Pfn): void {
    const below = toLevel(level + 1);
    const count = 2 ** levels[below]!.indexBits;
    const first = { ...value };
    format.splitLeaf(first, level);
    if (below === lastLevel) tables.setPtes(table, 0, first, count);
    else
      for (let i = 0; i < count; i++)
        tables.setEntry(below, table, i, entryAfter(first, i * pagesOf(below), pageShift));

    const entry = { high: 0, low: 0 };
    format.makeTable(entry, table, false);
    tables.setEntry(level, above, index, entry);
    tlb.range(toVpn(page - (page % size)), size);
    counts.leaves[level]!--;
    counts.leaves[below]! += count;
    counts.tables++;
    counts.splits++;
  }

  /** Table pages for the levels below a leaf, as far down as a leaf has to begin at the page; none when one is not to be had. */
  function takeTables(page: Vpn, from: Level): readonly Pfn[] | undefined {
    const taken: Pfn[] = [];
    for (let level = from; level < lastLevel && page % pagesOf(level) !== 0; level++) {
      const pfn = tablePages.alloc("kernel", level + 1, Gfp.KERNEL | Gfp.PGTABLE_SPLIT);
      if (pfn < 0) {
        for (const table of taken) tables.freeTable(table);
        return undefined;
      }
      taken.push(pfn);
    }
    return taken;
  }

  /** `split_kernel_leaf_mapping_locked`. */
  function splitAt(page: Vpn): number {
    const leaf = walk.at(page);
    if (leaf === undefined) return 0;
    const taken = takeTables(page, leaf.level);
    if (taken === undefined) return Errno.ENOMEM;
    lazy.enable();
    for (const table of taken) replaceByTable(walk.at(page)!, table);
    lazy.disable();
    return 0;
  }

  /** Prepares without the lock, looks with it, and begins again when somebody was faster. */
  function prepareAndSplit(page: Vpn): number {
    const { allocator } = tablePages;
    for (let i = 0; i < MAX_TRIES; i++) {
      const errno = allocator.prepareSplit();
      if (errno < 0) return errno;
      locked = true;
      try {
        if (allocator.readyForSplit()) return splitAt(page);
      } finally {
        locked = false;
      }
    }
    return Errno.ENOMEM;
  }

  const split: LinearSplit = {
    allowed: false,
    atEnds(page, pages) {
      if (addresses.pteMapped) return 0;
      for (const end of [page, page + pages]) {
        if (isEnd(end)) continue;
        if (!split.allowed) return Errno.EINVAL;
        if (locked) return Errno.EDEADLK;
        const errno = prepareAndSplit(end);
        if (errno < 0) return errno;
      }
      return 0;
    },
  };
  return split;
}
