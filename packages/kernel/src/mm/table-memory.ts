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
  let addressing: TableAddressing = "physical";
  /** 1 in its first word once tables are written through the linear map: the compiler loads and checks a variable each time. */
  const linear = new Int32Array(64);

  /** A way to tables that is not simply the linear map. */
  interface Way {
    readonly storeRun: TableMemory["storeRun"];
    readonly load: TableMemory["load"];
  }

  const physical: Way = {
    storeRun(table, index, high, low, step, count) {
      const carry = 2 ** highShift;
      for (let i = 0; i < count; i++) {
        const pages = (low >>> pageShift) + i * step;
        const entryLow = ((pages % carry) << pageShift) | (low & offsetMask);
        memory.write(table, index + i, (high + Math.floor(pages / carry)) | 0, entryLow);
      }
      return OK;
    },
    load(table, index) {
      tableMemory.valueHigh = memory.readHigh(table, index);
      tableMemory.valueLow = memory.readLow(table, index);
      return OK;
    },
  };

  /** Through a slot, or at the page of the address space that `pageOf` gives. */
  function virtual(throughFixmap: (table: number) => boolean, pageOf: (table: number) => number): Way {
    return {
      storeRun(table, index, high, low, step, count) {
        if (throughFixmap(table)) return fixmap().store(table, index, high, low, step, count);
        const page = pageOf(table);
        const address = pageLow(page, pageShift) | (index << 3);
        return cpus.current.storeRun(pageHigh(page, pageShift), address, high, low, step << pageShift, count);
      },
      load(table, index) {
        const page = pageOf(table);
        const status = throughFixmap(table)
          ? fixmap().load(table, index)
          : cpus.current.load64(pageHigh(page, pageShift), pageLow(page, pageShift) | (index << 3));
        tableMemory.valueHigh = cpus.current.valueHigh;
        tableMemory.valueLow = cpus.current.valueLow;
        return status;
      },
    };
  }

  const imagePageOf = (table: number): number => addresses.imagePage + table - image.pfn;
  const linearPageOf = (table: number): number => addresses.linearPage + table - firstPfn;
  const ways: Readonly<Record<TableAddressing, Way>> = {
    physical,
    early: virtual(
      (table) => arch.earlyTableAddress === "fixmap" && !image.contains(table),
      (table) => (image.contains(table) ? imagePageOf(table) : linearPageOf(table)),
    ),
    linear: virtual(
      (table) => table === root && arch.rootTableAddress === "fixmap",
      (table) => (table === root && arch.rootTableAddress === "image" ? imagePageOf(table) : linearPageOf(table)),
    ),
  };
  let way: Way = ways.physical;

  // Plain fields: an object literal with accessors is slow to use.
  const tableMemory: { -readonly [F in keyof TableMemory]: TableMemory[F] } = {
    valueHigh: 0,
    valueLow: 0,
    addressing: () => addressing,
    useAddressing(next) {
      addressing = next;
      way = ways[next];
      linear[0] = next === "linear" ? 1 : 0;
    },
    // Page-frame numbers are int32 in RAM: saying so keeps the compiler from floating-point numbers.
    store(table, index, high, low) {
      if (linear[0] === 0 || (table | 0) === root) return way.storeRun(table, index, high, low, 0, 1);
      const page = (table | 0) - firstPfn;
      return cpus.current.store64(
        (linearHigh + (page >>> highShift)) | 0,
        (page << pageShift) | (index << 3),
        high,
        low,
      );
    },
    storeRun(table, index, high, low, step, count) {
      if (linear[0] === 0 || (table | 0) === root) return way.storeRun(table, index, high, low, step, count);
      const page = (table | 0) - firstPfn;
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
      const page = (table | 0) - firstPfn;
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
      if (linear[0] === 0) return way.load(table, index);
      const page = (table | 0) - firstPfn;
      const { current } = cpus;
      const status = current.load64((linearHigh + (page >>> highShift)) | 0, (page << pageShift) | (index << 3));
      tableMemory.valueHigh = current.valueHigh;
      tableMemory.valueLow = current.valueLow;
      return status;
    },
  };
  return tableMemory;
}
