import { inject, injectable } from "@kpkeys/core";
import { applyChange, EntryType, PageTableFormat, PageTables, toVpn } from "@kpkeys/core/contracts";
import type { Level, PageRange, Pfn, Vpn, Words } from "@kpkeys/core/contracts";

/** A leaf that maps kernel addresses, of any size. */
export interface Leaf {
  /** Level of its table. */
  readonly level: Level;
  /** Page-frame number of its table. */
  readonly table: Pfn;
  /** Index in the table. */
  readonly index: number;
  /** The entry. */
  readonly value: Words;
  /** First page of the walked range that it maps. */
  readonly page: Vpn;
  /** Number of pages that it maps, inside and outside the walked range. */
  readonly size: number;
  /** Whether the walked range includes all of them. */
  readonly isWhole: boolean;
}

/** Finds the leaves that map kernel addresses, including leaves that were made invalid. */
@injectable()
export class LeafWalk {
  /** Pages that a leaf of each level maps. */
  private readonly sizes: readonly number[];

  constructor(
    @inject(PageTables) private readonly tables: PageTables,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
  ) {
    const { levels, pageShift } = format.geometry;
    this.sizes = levels.map(({ shift }) => 2 ** (shift - pageShift));
  }

  /**
   * Visits the leaves of a range in address order.
   * @param range - the pages
   * @param visit - returns false to stop the walk
   * @returns true if leaves map the whole range and `visit` returned true for each
   */
  each(range: PageRange, visit: (leaf: Leaf) => boolean): boolean {
    const { tables } = this;
    return tables.walk(tables.root, range, {
      gap: ({ level, table, index, page, pages }, value) => {
        const size = this.sizes[level]!;
        const goesOn =
          this.isLeaf(level, value) && visit({ level, table, index, value, page, size, isWhole: pages === size });
        return goesOn ? undefined : "stop";
      },
      run: ({ level, table, index: first, page }, count) => {
        for (let i = 0; i < count; i++) {
          const index = first + i;
          const value = tables.read(table, index);
          if (!this.isLeaf(level, value)) return "stop";
          if (!visit({ level, table, index, value, page: toVpn(page + i), size: 1, isWhole: true })) return "stop";
        }
        return undefined;
      },
    });
  }

  /** The leaf that maps a page. @param page - virtual page */
  at(page: Vpn): Leaf | undefined {
    let found: Leaf | undefined;
    this.each({ from: page, to: toVpn(page + 1) }, (leaf) => {
      found = leaf;
      return true;
    });
    return found;
  }

  /** Whether an entry is a leaf, or a leaf that was made invalid. */
  private isLeaf(level: Level, entry: Words): boolean {
    const { format } = this;
    const { high, low } = entry;
    const type = format.typeOf(level, high, low);
    if (type !== EntryType.INVALID || !format.isPresent(high, low)) return type === EntryType.LEAF;
    const valid = applyChange(entry, format.attributes.valid);
    return format.typeOf(level, valid.high, valid.low) === EntryType.LEAF;
  }
}
