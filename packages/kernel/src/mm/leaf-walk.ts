import { EntryType, toVpn } from "@kpkeys/core/contracts";
import type { Level, PageRange, PageTableFormat, PageTables, Pfn, Vpn, Words } from "@kpkeys/core/contracts";

/** A leaf of kernel addresses, of any size. */
export interface Leaf {
  /** Level of the table that it is in. */
  readonly level: Level;
  /** Page-frame number of that table. */
  readonly table: Pfn;
  /** Its index there. */
  readonly index: number;
  /** What was read there. */
  readonly value: Words;
  /** First page of the range that it maps. */
  readonly page: Vpn;
  /** Pages that it maps, whether in the range or not. */
  readonly size: number;
  /** Whether all of them are in the range. */
  readonly isWhole: boolean;
}

/** Finds the leaves that map kernel addresses. A leaf that was made invalid counts. */
export interface LeafWalk {
  /**
   * Visits the leaves of a range, in the order of addresses.
   * @param range - which pages
   * @param visit - returns whether to go on
   * @returns whether leaves map all of the range and `visit` returned true for each
   */
  each(range: PageRange, visit: (leaf: Leaf) => boolean): boolean;
  /** The leaf that maps a page. @param page - virtual page */
  at(page: Vpn): Leaf | undefined;
}

/**
 * Makes the walk.
 * @param tables - the kernel's walk
 * @param format - the codec
 */
export function createLeafWalk(tables: PageTables, format: PageTableFormat): LeafWalk {
  const { levels, pageShift } = format.geometry;
  const { clear, set } = format.attributes.valid;
  const sizes = levels.map(({ shift }) => 2 ** (shift - pageShift));

  /** Whether an entry is a leaf, or was one before it was made invalid. */
  function isLeaf(level: Level, { high, low }: Words): boolean {
    const type = format.typeOf(level, high, low);
    if (type !== EntryType.INVALID || !format.isPresent(high, low)) return type === EntryType.LEAF;
    return format.typeOf(level, (high & ~clear.high) | set.high, (low & ~clear.low) | set.low) === EntryType.LEAF;
  }

  function each(range: PageRange, visit: (leaf: Leaf) => boolean): boolean {
    return tables.walk(tables.root, range, {
      gap({ level, table, index, page, pages }, value) {
        const size = sizes[level]!;
        const goesOn =
          isLeaf(level, value) && visit({ level, table, index, value, page, size, isWhole: pages === size });
        return goesOn ? undefined : "stop";
      },
      run({ level, table, index: first, page }, count) {
        for (let i = 0; i < count; i++) {
          const index = first + i;
          const value = tables.read(table, index);
          if (!isLeaf(level, value)) return "stop";
          if (!visit({ level, table, index, value, page: toVpn(page + i), size: 1, isWhole: true })) return "stop";
        }
        return undefined;
      },
    });
  }

  return {
    each,
    at(page) {
      let found: Leaf | undefined;
      each({ from: page, to: toVpn(page + 1) }, (leaf) => {
        found = leaf;
        return true;
      });
      return found;
    },
  };
}
