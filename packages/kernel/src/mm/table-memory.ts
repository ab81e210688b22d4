import { OK } from "@kpkeys/core/contracts";
import type { Cpus, PgtableArch, PhysicalMemory } from "@kpkeys/core/contracts";
import type { KernelImage } from "../boot/image.js";
import { pageHigh, pageLow } from "./addresses.js";
import type { Addresses } from "./addresses.js";
import type { Fixmap } from "./fixmap.js";

/**
 * At which address page tables are written, in the order of boot.
 *
 * - `physical` — before the MMU is on
 * - `early` — while the linear map is being made: static tables through the image, others as the architecture does
 * - `linear` — the linear map; but `init_mm`'s top-level table through a fixmap slot or through the image
 */
export type TableAddressing = "physical" | "early" | "linear";

/** Loads and stores of page-table entries: the only path by which the kernel touches a table page. */
export interface TableMemory {
  /** Which address is used. */
  addressing(): TableAddressing;
  /**
   * Goes on to the next address in the order of boot.
   * @param next - which
   */
  useAddressing(next: TableAddressing): void;
  /**
   * Stores a run of entries, each `step` pages more than the one before.
   * @param table - page-frame number
   * @param index - first entry
   * @param high - bits 63 to 32 of the first
   * @param low - bits 31 to 0
   * @param step - pages from each to the next
   * @param count - number of entries
   * @returns status of the access
   */
  storeRun(table: number, index: number, high: number, low: number, step: number, count: number): number;
  /**
   * Stores one entry.
   * @param table - page-frame number
   * @param index - which entry
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   * @returns status of the access
   */
  store(table: number, index: number, high: number, low: number): number;
  /**
   * Exchanges an entry atomically; the old one is left in the current CPU's value words.
   * @param table - page-frame number, not the top-level table of `init_mm`
   * @param index - which entry
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   * @returns status of the access
   */
  exchange(table: number, index: number, high: number, low: number): number;
  /**
   * Loads an entry into {@link valueHigh} and {@link valueLow}.
   * @param table - page-frame number
   * @param index - which entry
   * @returns status of the access
   */
  load(table: number, index: number): number;
  /** Bits 63 to 32 of the entry last loaded. */
  readonly valueHigh: number;
  /** Bits 31 to 0 of it. */
  readonly valueLow: number;
}

/**
 * Makes the access path to table pages.
 * @param cpus - whose current CPU makes the accesses
 * @param memory - RAM, for the time before the MMU is on
 * @param arch - how the architecture reaches early tables and the top-level table
 * @param image - where static tables are
 * @param addresses - address arithmetic
 * @param pageShift - log2 of the page size in bytes
 * @param fixmap - asked for when a slot is needed first
 */
export function createTableMemory(
  cpus: Cpus,
  memory: PhysicalMemory,
  arch: PgtableArch,
  image: KernelImage,
  addresses: Addresses,
  pageShift: number,
  fixmap: () => Fixmap,
): TableMemory {
  const { root } = image;
  const { firstPfn } = memory;
  /** Page numbers hold bits 31 to pageShift of an address in these bits of theirs. */
  const highShift = 32 - pageShift;
  const offsetMask = (1 << pageShift) - 1;
  const linearHigh = pageHigh(addresses.linearPage, pageShift);
  let linear = false;
  let addressing: TableAddressing = "physical";

  function throughFixmap(table: number): boolean {
    if (linear) return table === root && arch.rootTableAddress === "fixmap";
    return arch.earlyTableAddress === "fixmap" && !image.contains(table);
  }

  /** Which page of the address space stands for a table that is reached neither physically nor through a slot. */
  function pageFor(table: number): number {
    const throughImage = linear ? table === root && arch.rootTableAddress === "image" : image.contains(table);
    return throughImage ? addresses.imagePage + table - image.pfn : addresses.linearPage + table - firstPfn;
  }

  function storeElsewhere(
    table: number,
    index: number,
    high: number,
    low: number,
    step: number,
    count: number,
  ): number {
    if (addressing === "physical") {
      const carry = 2 ** highShift;
      for (let i = 0; i < count; i++) {
        const pages = (low >>> pageShift) + i * step;
        const entryLow = ((pages % carry) << pageShift) | (low & offsetMask);
        memory.write(table, index + i, (high + Math.floor(pages / carry)) | 0, entryLow);
      }
      return OK;
    }
    if (throughFixmap(table)) return fixmap().store(table, index, high, low, step, count);
    const page = pageFor(table);
    return cpus.current.storeRun(
      pageHigh(page, pageShift),
      pageLow(page, pageShift) | (index << 3),
      high,
      low,
      step << pageShift,
      count,
    );
  }

  function loadElsewhere(table: number, index: number): number {
    if (addressing === "physical") {
      tableMemory.valueHigh = memory.readHigh(table, index);
      tableMemory.valueLow = memory.readLow(table, index);
      return OK;
    }
    const page = pageFor(table);
    const status = throughFixmap(table)
      ? fixmap().load(table, index)
      : cpus.current.load64(pageHigh(page, pageShift), pageLow(page, pageShift) | (index << 3));
    tableMemory.valueHigh = cpus.current.valueHigh;
    tableMemory.valueLow = cpus.current.valueLow;
    return status;
  }

  // Plain fields: an object literal with accessors is slow to use.
  const tableMemory: { -readonly [F in keyof TableMemory]: TableMemory[F] } = {
    valueHigh: 0,
    valueLow: 0,
    addressing: () => addressing,
    useAddressing(next) {
      addressing = next;
      linear = next === "linear";
    },
    store(table, index, high, low) {
      if (!linear || table === root) return storeElsewhere(table, index, high, low, 0, 1);
      const page = table - firstPfn;
      return cpus.current.store64(
        (linearHigh + (page >>> highShift)) | 0,
        (page << pageShift) | (index << 3),
        high,
        low,
      );
    },
    storeRun(table, index, high, low, step, count) {
      if (!linear || table === root) return storeElsewhere(table, index, high, low, step, count);
      const page = table - firstPfn;
      return cpus.current.storeRun(
        (linearHigh + (page >>> highShift)) | 0,
        (page << pageShift) | (index << 3),
        high,
        low,
        step << pageShift,
        count,
      );
    },
    exchange(table, index, high, low) {
      const page = table - firstPfn;
      const { current } = cpus;
      const status = current.exchange64(
        (linearHigh + (page >>> highShift)) | 0,
        (page << pageShift) | (index << 3),
        high,
        low,
      );
      tableMemory.valueHigh = current.valueHigh;
      tableMemory.valueLow = current.valueLow;
      return status;
    },
    load(table, index) {
      if (!linear) return loadElsewhere(table, index);
      const page = table - firstPfn;
      const { current } = cpus;
      const status = current.load64((linearHigh + (page >>> highShift)) | 0, (page << pageShift) | (index << 3));
      tableMemory.valueHigh = current.valueHigh;
      tableMemory.valueLow = current.valueLow;
      return status;
    },
  };
  return tableMemory;
}
