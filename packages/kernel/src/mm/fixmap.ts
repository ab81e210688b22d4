import { OK, toLevel } from "@kpkeys/core/contracts";
import type { Cpus, KernelLayout, PageTableFormat, PageTables, Pfn, Words } from "@kpkeys/core/contracts";
import { pageHigh, pageLow, pageOfAddress } from "./addresses.js";
import type { TlbFlush } from "./tlb-flush.js";

/** The slot through which tables are written. */
const FIX_PGD = 0;

/** Compile-time addresses that are mapped to a page for a moment. */
export interface Fixmap {
  /**
   * Stores an entry of a table page through a slot: maps the page, stores, unmaps. Between the two any store of this CPU to the
   * slot would reach the table whatever its key: the documented window of `set_swapper_pgd`.
   * @param table - page-frame number
   * @param index - first entry
   * @param entry - the first value
   * @param step - pages from the address of each value to that of the next
   * @param count - number of entries
   * @returns status of the access
   */
  store(table: Pfn, index: number, entry: Words, step: number, count: number): number;
  /**
   * Loads an entry of a table page through a slot, into the current CPU's value words.
   * @param table - page-frame number
   * @param index - which entry
   * @returns status of the access
   */
  load(table: Pfn, index: number): number;
}

/**
 * Makes the fixmap.
 * @param cpus - whose current CPU stores
 * @param layout - where the slots are
 * @param format - the codec
 * @param tlb - invalidation
 * @param tables - the setters
 */
export function createFixmap(
  cpus: Cpus,
  layout: KernelLayout,
  format: PageTableFormat,
  tlb: TlbFlush,
  tables: PageTables,
): Fixmap {
  const { levels, pageShift } = format.geometry;
  const slotPage = pageOfAddress(layout.fixmap, pageShift) + FIX_PGD;
  const slotHigh = pageHigh(slotPage, pageShift);
  const slotLow = pageLow(slotPage, pageShift);
  const lastLevel = toLevel(levels.length - 1);
  const slot = tables.entryAt(tables.root, lastLevel, slotPage)!;

  function open(table: Pfn): void {
    const leaf = { high: 0, low: 0 };
    format.makeLeaf(leaf, lastLevel, table, format.protections.PAGE_KERNEL);
    slot.set(leaf);
  }

  function close(): void {
    slot.clear();
    tlb.range(slot.page, 1);
  }

  return {
    store(table, index, { high, low }, step, count) {
      open(table);
      const address = slotLow | (index << 3);
      const status =
        count === 1
          ? cpus.current.store64(slotHigh, address, high, low)
          : cpus.current.storeRun(slotHigh, address, high, low, step << pageShift, count);
      if (status === OK) close();
      return status;
    },
    load(table, index) {
      open(table);
      const status = cpus.current.load64(slotHigh, slotLow | (index << 3));
      if (status === OK) close();
      return status;
    },
  };
}
