import { inject, injectable } from "@kpkeys/core";
import { Cpus, OK, PageTableFormat, PageTables, PgtableArch, toLevel, toVpn, wordsOf } from "@kpkeys/core/contracts";
import type { EntryCursor, Level, Pfn, Vpn, Words } from "@kpkeys/core/contracts";
import { pageOfAddress } from "./addresses.js";
import { TlbFlush } from "./tlb-flush.js";

/** The slot through which tables are written. */
const FIX_PGD = 0;

/** Compile-time addresses that are mapped to a page for a moment. */
@injectable()
export class Fixmap {
  private readonly pageShift: number;
  private readonly lastLevel: Level;
  private readonly slotPage: Vpn;
  private readonly slotAddress: Words;
  /** The entry that maps the slot; found when the slot is used first, since boot makes its table. */
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
   * Stores a run of entries of a table page through a slot: maps the page, stores, unmaps. Between the two any store of this CPU to
   * the slot would reach the table whatever its key: the documented window of `set_swapper_pgd`.
   * @param table - page-frame number
   * @param index - first entry
   * @param entry - the first value
   * @param step - pages from the address of each value to that of the next
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
    if (status === OK) this.close();
    return status;
  }

  /**
   * Loads an entry of a table page through a slot, into the current CPU's value words.
   * @param table - page-frame number
   * @param index - which entry
   * @returns status of the access
   */
  load(table: Pfn, index: number): number {
    const { high, low } = this.open(table, index);
    const status = this.cpus.current.load64(high, low);
    if (status === OK) this.close();
    return status;
  }

  /** Maps a table page. @returns the address of one of its entries in the slot */
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
