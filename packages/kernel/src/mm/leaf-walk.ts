import { inject, injectable } from "@kpkeys/core";
import { applyChange, EntryType, PageTableFormat, PageTables, toVpn } from "@kpkeys/core/contracts";
import type { Level, PageRange, Pfn, Vpn, Words } from "@kpkeys/core/contracts";

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
@injectable()
export class LeafWalk {
  /** Pages that an entry of each level maps. */
  private readonly sizes: readonly number[];

  constructor(
    @inject(PageTables) private readonly tables: PageTables,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
  ) {
    const { levels, pageShift } = format.geometry;
    this.sizes = levels.map(({ shift }) => 2 ** (shift - pageShift));
  }

  /**
   * Visits the leaves of a range, in the order of addresses.
   * @param range - which pages
   * @param visit - returns whether to go on
   * @returns whether leaves map all of the range and `visit` returned true for each
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

  /** Whether an entry is a leaf, or was one before it was made invalid. */
  private isLeaf(level: Level, entry: Words): boolean {
    const { format } = this;
    const { high, low } = entry;
    const type = format.typeOf(level, high, low);
    if (type !== EntryType.INVALID || !format.isPresent(high, low)) return type === EntryType.LEAF;
    const valid = applyChange(entry, format.attributes.valid);
    return format.typeOf(level, valid.high, valid.low) === EntryType.LEAF;
  }
}
