import { KpkeysError } from "@kpkeys/core";

/** Sizes of the allocator's chunks, by the size of a page. */
export interface BlockGeometry {
  /** BLOCK_ORDER: PMD_ORDER, the order of a PMD leaf. */
  readonly blockOrder: number;
  /** The orders that a refill tries, in sequence. */
  readonly refillOrders: readonly number[];
}

/**
 * By log2 of the page size in bytes. With 4 and 16 KiB pages the first order is a block, whose key is set without a split; the next is a
 * run that the contiguous bit covers. The last is 4 pages, so that a refill that uses 2 for a split still gains 2.
 */
const GEOMETRIES: Readonly<Record<number, BlockGeometry>> = {
  12: { blockOrder: 9, refillOrders: [9, 4, 2] },
  14: { blockOrder: 11, refillOrders: [11, 7, 2] },
  16: { blockOrder: 13, refillOrders: [9, 5, 2] },
};

/**
 * Largest number of table pages for one split of the linear map: a PMD table for a 1 GiB block and a PTE table for a 2 MiB block
 * in it.
 */
export const PAGES_PER_SPLIT = 2;

/** Pages of the pool that only a split may use: one share for the split in a refill, one for any other split. */
export const RESERVED_PAGES: number = 2 * PAGES_PER_SPLIT;

/**
 * Returns the chunk sizes for a page size (v6, patches 14 to 17: "support for large block mappings through a dedicated page table allocator").
 * @param pageShift - log2 of the page size in bytes: 12, 14 or 16
 * @throws KpkeysError ERR_PLUGIN_INVALID for any other page size
 */
export function blockGeometry(pageShift: number): BlockGeometry {
  const geometry = GEOMETRIES[pageShift];
  if (geometry !== undefined) return geometry;
  throw new KpkeysError(
    "ERR_PLUGIN_INVALID",
    `cannot allocate table pages of 2 ** ${pageShift} bytes: unsupported page size`,
    {
      where: "the architecture's page-table format",
      expected: "4, 16 or 64 KiB",
    },
  );
}
