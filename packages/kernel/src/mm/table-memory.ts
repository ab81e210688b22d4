import { OK } from "@kpkeys/core/contracts";
import type { Cpus, PgtableArch, Pfn, PhysicalMemory, Vpn, Words } from "@kpkeys/core/contracts";
import type { KernelImage } from "../boot/image.js";
import { entryAfter, pageHigh, pageLow } from "./addresses.js";
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

/** What the access path is made with. */
export interface TableMemoryParts {
  /** The CPUs, whose current one makes the accesses. */
  readonly cpus: Cpus;
  /** RAM, for the time before the MMU is on. */
  readonly memory: PhysicalMemory;
  /** How the architecture reaches early tables and the top-level table. */
  readonly arch: PgtableArch;
  /** Where static tables are. */
  readonly image: KernelImage;
  /** Address arithmetic. */
  readonly addresses: Addresses;
  /** log2 of the page size in bytes. */
  readonly pageShift: number;
  /** Gives the fixmap, asked for when a slot is needed first. */
  readonly fixmap: () => Fixmap;
}

/**
 * Loads and stores of page-table entries: the only path by which the kernel touches a table page. A load or exchange that faults
 * returns `undefined`.
 */
export class TableMemory {
  readonly #parts: TableMemoryParts;
  readonly #cpus: Cpus;
  readonly #pageShift: number;
  /** First page-frame number of RAM, and the high word of its linear address, whose low word is 0. */
  readonly #firstPfn: Pfn;
  readonly #linearHigh: number;
  #addressing: TableAddressing = "physical";

  /** @param parts - what it is made with */
  constructor(parts: TableMemoryParts) {
    this.#parts = parts;
    this.#cpus = parts.cpus;
    this.#pageShift = parts.pageShift;
    this.#firstPfn = parts.memory.firstPfn;
    this.#linearHigh = pageHigh(parts.addresses.linearPage, parts.pageShift);
  }

  /** Goes on to the next address in the order of boot. @param next - which */
  useAddressing(next: TableAddressing): void {
    this.#addressing = next;
  }

  /**
   * Stores a run of entries.
   * @param table - page-frame number
   * @param index - first entry
   * @param entry - its value
   * @param step - pages from the address of each entry to that of the next
   * @param count - number of entries
   * @returns status of the access
   */
  store(table: Pfn, index: number, entry: Words, step: number, count: number): number {
    if (this.#addressing === "linear" && table !== this.#parts.image.root)
      return this.#storeAt(this.#linearHighOf(table), this.#linearLowOf(table, index), entry, step, count);
    if (this.#addressing === "physical") return this.#storePhysically(table, index, entry, step, count);
    const page = this.#addressing === "early" ? this.#earlyPage(table) : this.#rootPage(table);
    if (page === undefined) return this.#parts.fixmap().store(table, index, entry, step, count);
    const low = pageLow(page, this.#pageShift) | (index << 3);
    return this.#storeAt(pageHigh(page, this.#pageShift), low, entry, step, count);
  }

  /**
   * Exchanges an entry atomically through the linear map; a run of entries is stored after the first.
   * @param table - page-frame number, not the top-level table of `init_mm`
   * @param index - first entry
   * @param entry - its new value
   * @param step - pages from the address of each entry to that of the next
   * @param count - number of entries
   * @returns the old value of the first entry
   */
  exchange(table: Pfn, index: number, entry: Words, step: number, count: number): Words | undefined {
    const { current } = this.#cpus;
    const high = this.#linearHighOf(table);
    const low = this.#linearLowOf(table, index);
    if (current.exchange64(high, low, entry.high, entry.low) !== OK) return undefined;
    const old = { high: current.valueHigh, low: current.valueLow };
    if (count > 1) this.#storeAt(high, low, entry, step, count);
    return old;
  }

  /** Loads an entry. @param table - page-frame number @param index - which entry */
  load(table: Pfn, index: number): Words | undefined {
    if (this.#addressing !== "linear") return this.#loadEarly(table, index);
    return this.#loaded(this.#cpus.current.load64(this.#linearHighOf(table), this.#linearLowOf(table, index)));
  }

  #loadEarly(table: Pfn, index: number): Words | undefined {
    const { memory, fixmap } = this.#parts;
    if (this.#addressing === "physical")
      return { high: memory.readHigh(table, index), low: memory.readLow(table, index) };
    const page = this.#earlyPage(table);
    if (page === undefined) return this.#loaded(fixmap().load(table, index));
    const low = pageLow(page, this.#pageShift) | (index << 3);
    return this.#loaded(this.#cpus.current.load64(pageHigh(page, this.#pageShift), low));
  }

  #loaded(status: number): Words | undefined {
    const { current } = this.#cpus;
    return status === OK ? { high: current.valueHigh, low: current.valueLow } : undefined;
  }

  #storeAt(high: number, low: number, entry: Words, step: number, count: number): number {
    const { current } = this.#cpus;
    return count === 1
      ? current.store64(high, low, entry.high, entry.low)
      : current.storeRun(high, low, entry.high, entry.low, step << this.#pageShift, count);
  }

  #storePhysically(table: Pfn, index: number, entry: Words, step: number, count: number): number {
    for (let i = 0; i < count; i++) {
      const { high, low } = entryAfter(entry, i * step, this.#pageShift);
      this.#parts.memory.write(table, index + i, high, low);
    }
    return OK;
  }

  /** The words of an entry's linear address. The linear map begins at a multiple of 4 GiB. */
  #linearHighOf(table: Pfn): number {
    return (this.#linearHigh + ((table - this.#firstPfn) >>> (32 - this.#pageShift))) | 0;
  }

  #linearLowOf(table: Pfn, index: number): number {
    return ((table - this.#firstPfn) << this.#pageShift) | (index << 3);
  }

  /** The page at which the top-level table is written; `undefined` for a slot of the fixmap. */
  #rootPage(table: Pfn): Vpn | undefined {
    return this.#parts.arch.rootTableAddress === "fixmap" ? undefined : this.#imagePage(table);
  }

  /** The page at which a table is reached while the linear map is being made; `undefined` for a slot of the fixmap. */
  #earlyPage(table: Pfn): Vpn | undefined {
    const { arch, image, addresses } = this.#parts;
    if (image.contains(table)) return this.#imagePage(table);
    return arch.earlyTableAddress === "fixmap" ? undefined : addresses.pageOf(table);
  }

  #imagePage(table: Pfn): Vpn {
    const { addresses, image } = this.#parts;
    return addresses.imagePage + table - image.pfn;
  }
}
