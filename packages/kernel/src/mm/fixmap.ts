import { inject, injectable } from "@kpkeys/core";
import { Cpus, PageTableFormat, PageTables, PgtableArch, toLevel, toVpn, wordsOf } from "@kpkeys/core/contracts";
import type { EntryCursor, Level, Pfn, Vpn, Words } from "@kpkeys/core/contracts";
import { pageOfAddress } from "./addresses.js";
import { TlbFlush } from "./tlb-flush.js";

/** The slot for writing page tables. */
const FIX_PGD = 0;

/** Temporary mappings at compile-time addresses. */
@injectable()
export class Fixmap {
  private readonly pageShift: number;
  private readonly lastLevel: Level;
  private readonly slotPage: Vpn;
  private readonly slotAddress: Words;
  /** The entry that maps the slot. Looked up on first use, because boot makes its table. */
  private slot: EntryCursor | undefined;

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(PgtableArch) arch: PgtableArch,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
    @inject(PageTables) private readonly tables: PageTables,
  ) {
    const { levels, pageShift } = format.geometry;
    this.pageShift = pageShift;
    this.lastLevel = toLevel(levels.length - 1);
    this.slotPage = toVpn(pageOfAddress(arch.layout.fixmap, pageShift) + FIX_PGD);
    this.slotAddress = wordsOf(this.slotPage, pageShift);
  }

  /**
   * Stores a run of entries of a table page through the slot: maps the page, stores, unmaps. While the page is mapped, a store by this
   * CPU to the slot reaches the table with any key: the documented window of `set_swapper_pgd`. A store that faults ends the window too;
   * the caller repeats the whole function or oopses.
   * @param table - page-frame number
   * @param index - index of the first entry
   * @param entry - the first value
   * @param step - difference of the output addresses of consecutive values, in pages
   * @param count - number of entries
   * @returns status of the access
   */
  store(table: Pfn, index: number, { high, low }: Words, step: number, count: number): number {
    const { current } = this.cpus;
    const address = this.open(table, index);
    const status =
      count === 1
        ? current.store64(address.high, address.low, high, low)
        : current.storeRun(address.high, address.low, high, low, step << this.pageShift, count);
    this.close();
    return status;
  }

  /**
   * Loads an entry of a table page through the slot, into the value words of the current CPU.
   * @param table - page-frame number
   * @param index - index of the entry
   * @returns status of the access
   */
  load(table: Pfn, index: number): number {
    const { high, low } = this.open(table, index);
    const status = this.cpus.current.load64(high, low);
    this.close();
    return status;
  }

  /** Maps a table page. @returns the address of the entry in the slot */
  private open(table: Pfn, index: number): Words {
    this.slot ??= this.tables.entryAt(this.tables.root, this.lastLevel, this.slotPage)!;
    this.slot.set(this.format.makeLeaf(this.lastLevel, table, this.format.protections.PAGE_KERNEL));
    const { high, low } = this.slotAddress;
    return { high, low: low | (index << 3) };
  }

  private close(): void {
    this.slot?.clear();
    this.tlb.range(this.slotPage, 1);
  }
}
