import { KpkeysError } from "@kpkeys/core";

/** How much the allocator takes at a time, which depends on the size of a page. */
export interface BlockGeometry {
  /** BLOCK_ORDER, the order of what one PMD entry maps: PMD_ORDER. */
  readonly blockOrder: number;
  /** Orders that a refill tries in sequence. */
  readonly refillOrders: readonly number[];
}

/**
 * By log2 of the page size in bytes. First a whole block where one is to be had, which gets its key without a split; then a run
 * that the contiguous bit covers; at last 4 pages, so that a refill that spends 2 on a split still gains.
 */
const GEOMETRIES: Readonly<Record<number, BlockGeometry>> = {
  12: { blockOrder: 9, refillOrders: [9, 4, 2] },
  14: { blockOrder: 11, refillOrders: [11, 7, 2] },
  16: { blockOrder: 13, refillOrders: [9, 5, 2] },
};

/**
 * What one split of the linear map takes at most: a table of pmd entries for a 1 GiB block, and a table of pte entries for a
 * 2 MiB block in it.
 */
export const PAGES_PER_SPLIT = 2;

/** Pages kept back: for the split that a refill itself makes, and for any other split. */
export const RESERVED_PAGES: number = 2 * PAGES_PER_SPLIT;

/**
 * The sizes for a page size (v6, patches 14 to 17: "support for large block mappings through a dedicated page table allocator").
 * @param pageShift - log2 of the page size in bytes: 12, 14 or 16
 * @returns the sizes
 * @throws KpkeysError ERR_PLUGIN_INVALID for a page size that Linux does not have
 */
export function blockGeometry(pageShift: number): BlockGeometry {
  const geometry = GEOMETRIES[pageShift];
  if (geometry !== undefined) return geometry;
  throw new KpkeysError("ERR_PLUGIN_INVALID", `pages of 2 ** ${pageShift} bytes`, {
    where: "the architecture's page-table format",
    expected: "4, 16 or 64 KiB",
  });
}
