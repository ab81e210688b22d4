import { OK } from "@kpkeys/core/contracts";
import type { Cpus, KernelLayout, PageTableFormat, PageTables } from "@kpkeys/core/contracts";
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
   * @param high - bits 63 to 32 of the first value
   * @param low - bits 31 to 0
   * @param step - added from each value to the next, in pages
   * @param count - number of entries
   * @returns status of the access
   */
  store(table: number, index: number, high: number, low: number, step: number, count: number): number;
  /**
   * Loads an entry of a table page through a slot, into the current CPU's value words.
   * @param table - page-frame number
   * @param index - which entry
   * @returns status of the access
   */
  load(table: number, index: number): number;
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
  const level = levels.length - 1;
  const index = format.index(level, slotHigh, slotLow);
  const slotTable = tables.tableAt(tables.root, level, slotHigh, slotLow);
  const entry = { high: 0, low: 0 };

  function open(table: number): void {
    format.makeLeaf(entry, level, table, format.protections.PAGE_KERNEL);
    tables.setPte(slotTable, index, entry.high, entry.low);
  }

  function close(): void {
    tables.setPte(slotTable, index, 0, 0);
    tlb.range(slotHigh, slotLow, 1);
  }

  return {
    store(table, tableIndex, high, low, step, count) {
      open(table);
      const address = slotLow | (tableIndex << 3);
      const status =
        count === 1
          ? cpus.current.store64(slotHigh, address, high, low)
          : cpus.current.storeRun(slotHigh, address, high, low, step << pageShift, count);
      if (status === OK) close();
      return status;
    },
    load(table, tableIndex) {
      open(table);
      const status = cpus.current.load64(slotHigh, slotLow | (tableIndex << 3));
      if (status === OK) close();
      return status;
    },
  };
}
