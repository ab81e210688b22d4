import { inject, injectable } from "@kpkeys/core";
import { Cpus, LinearMap, OK, PgtableArch, PhysicalMemory, toPfn, wordsOf } from "@kpkeys/core/contracts";
import type { Pfn, Vpn, Words } from "@kpkeys/core/contracts";
import { KernelImage } from "../boot/image.js";
import type { Addresses } from "./addresses.js";
import { entryAfter, NO_ENTRY } from "./entries.js";
import type { Fixmap } from "./fixmap.js";

/**
 * The addresses at which page tables are written, in boot order.
 *
 * - `physical`: before the MMU is on
 * - `early`: while boot makes the linear map. Static tables through the image, other tables as `PgtableArch.earlyTableAddress`
 * - `linear`: through the linear map, except `init_mm`'s top-level table: through a fixmap slot or the image
 */
export type TableAddressing = "physical" | "early" | "linear";

/**
 * Loads and stores page-table entries. The kernel accesses table pages only here. A load or exchange that faults returns
 * `undefined`. An entry is the word that the CPU loads; `SwappedTableMemory` converts entries of the other byte order.
 */
@injectable()
export class TableMemory {
  private readonly pageShift: number;
  /** First page-frame number of RAM, and the high word of its linear address. The low word is 0. */
  private readonly firstPfn: Pfn;
  private readonly linearHigh: number;
  private addressing: TableAddressing = "physical";
  private fixmap: Fixmap | undefined;

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(PhysicalMemory) private readonly memory: PhysicalMemory,
    @inject(PgtableArch) private readonly arch: PgtableArch,
    @inject(KernelImage) private readonly image: KernelImage,
    @inject(LinearMap) private readonly addresses: Addresses,
  ) {
    this.pageShift = memory.pageShift;
    this.firstPfn = toPfn(memory.firstPfn);
    this.linearHigh = wordsOf(addresses.linearPage, memory.pageShift).high;
  }

  /** Sets the fixmap after construction: it depends on the setters, and they depend on this class. @param fixmap - the slots */
  attachFixmap(fixmap: Fixmap): void {
    this.fixmap = fixmap;
  }

  /** Changes the addresses. @param next - the next in boot order */
  useAddressing(next: TableAddressing): void {
    this.addressing = next;
  }

  /**
   * Stores a run of entries.
   * @param table - page-frame number
   * @param index - index of the first entry
   * @param entry - the first entry
   * @param step - difference of the output addresses of consecutive entries, in pages
   * @param count - number of entries
   * @returns status of the access
   */
  store(table: Pfn, index: number, entry: Words, step: number, count: number): number {
    if (this.addressing === "linear" && table !== this.image.root)
      return this.storeAt(this.linearHighOf(table), this.linearLowOf(table, index), entry, step, count);
    if (this.addressing === "physical") return this.storePhysically(table, index, entry, step, count);
    const page = this.addressing === "early" ? this.earlyPage(table) : this.rootPage(table);
    if (page === undefined) return this.fixmap!.store(table, index, entry, step, count);
    const { high, low } = wordsOf(page, this.pageShift, index << 3);
    return this.storeAt(high, low, entry, step, count);
  }

  /**
   * Exchanges an entry atomically through the linear map.
   * @param table - page-frame number, not the top-level table of `init_mm`
   * @param index - index of the entry
   * @param entry - the new entry
   * @returns the old entry
   */
  exchange(table: Pfn, index: number, entry: Words): Words | undefined {
    return this.loaded(
      this.cpus.current.exchange64(this.linearHighOf(table), this.linearLowOf(table, index), entry.high, entry.low),
    );
  }

  /** Loads an entry. @param table - page-frame number @param index - index of the entry */
  load(table: Pfn, index: number): Words | undefined {
    if (this.addressing !== "linear") return this.loadEarly(table, index);
    return this.loaded(this.cpus.current.load64(this.linearHighOf(table), this.linearLowOf(table, index)));
  }

  /** `clear_page`. @param table - page-frame number @returns status of the access */
  clear(table: Pfn): number {
    return this.store(table, 0, NO_ENTRY, 0, 2 ** (this.pageShift - 3));
  }

  private loadEarly(table: Pfn, index: number): Words | undefined {
    if (this.addressing === "physical") return this.memory.read(table, index);
    const page = this.earlyPage(table);
    if (page === undefined) return this.loaded(this.fixmap!.load(table, index));
    const { high, low } = wordsOf(page, this.pageShift, index << 3);
    return this.loaded(this.cpus.current.load64(high, low));
  }

  private loaded(status: number): Words | undefined {
    const { current } = this.cpus;
    return status === OK ? { high: current.valueHigh, low: current.valueLow } : undefined;
  }

  private storeAt(high: number, low: number, entry: Words, step: number, count: number): number {
    const { current } = this.cpus;
    return count === 1
      ? current.store64(high, low, entry.high, entry.low)
      : current.storeRun(high, low, entry.high, entry.low, step << this.pageShift, count);
  }

  private storePhysically(table: Pfn, index: number, entry: Words, step: number, count: number): number {
    for (let i = 0; i < count; i++) this.memory.write(table, index + i, entryAfter(entry, i * step, this.pageShift));
    return OK;
  }

  /** The high word of a table's linear address. The linear map starts at a multiple of 4 GiB. */
  private linearHighOf(table: Pfn): number {
    return (this.linearHigh + ((table - this.firstPfn) >>> (32 - this.pageShift))) | 0;
  }

  private linearLowOf(table: Pfn, index: number): number {
    return ((table - this.firstPfn) << this.pageShift) | (index << 3);
  }

  /** The page at which the top-level table is written; `undefined` for the fixmap slot. */
  private rootPage(table: Pfn): Vpn | undefined {
    return this.arch.rootTableAddress === "fixmap" ? undefined : this.addresses.imagePageOf(table);
  }

  /** The page at which a table is accessed while boot makes the linear map; `undefined` for the fixmap slot. */
  private earlyPage(table: Pfn): Vpn | undefined {
    const { arch, image, addresses } = this;
    if (image.contains(table)) return addresses.imagePageOf(table);
    return arch.earlyTableAddress === "fixmap" ? undefined : addresses.pageOf(table);
  }
}
