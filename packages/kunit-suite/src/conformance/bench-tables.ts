import { EntryType, toAsid, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { Cpu, PageTableFormat, PhysicalMemory, Words } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";

/** An entry in a table. */
export interface EntryPlace {
  /** Page-frame number of the table. */
  readonly table: number;
  /** Index of the entry. */
  readonly index: number;
}

/** The page tables of a bench: pages from the start of RAM on, and a top-level table for each half, or one for both. */
export class BenchTables {
  private next: number;
  private readonly end: number;
  private readonly kernelRoot: number;
  private readonly userRoot: number;

  /**
   * @param memory - RAM
   * @param format - the codec
   * @param userEnd - the end of user addresses
   * @param pages - pages that tables may fill
   */
  constructor(
    private readonly memory: PhysicalMemory,
    private readonly format: PageTableFormat,
    private readonly userEnd: bigint,
    pages: number,
  ) {
    this.next = memory.firstPfn;
    this.end = memory.firstPfn + pages;
    this.kernelRoot = this.add();
    this.userRoot = format.geometry.splitRoots ? this.add() : this.kernelRoot;
  }

  /** Turns translation by these tables on. */
  enable({ mmu }: Cpu): void {
    mmu.setKernelRoot(toPfn(this.kernelRoot));
    mmu.setUserRoot(toPfn(this.userRoot), toAsid(1));
    mmu.enabled = true;
  }

  /** A fresh table, which is not in use yet. @returns its page-frame number */
  add(): number {
    if (this.next === this.end) throw new Error("the bench has no page left for a table");
    return this.next++;
  }

  /** Puts an entry where it translates an address: `Bench.put`. */
  put(address: bigint, level: number, { high, low }: Words, root?: number): EntryPlace {
    const { memory, format } = this;
    const user = address < this.userEnd;
    const words = toWords(address);
    let table = root ?? (user ? this.userRoot : this.kernelRoot);
    for (let above = 0; above < level; above++) {
      table = this.below(table, above, format.index(toLevel(above), words.high, words.low), user);
    }
    const index = format.index(toLevel(level), words.high, words.low);
    memory.write(table, index, high, low);
    return { table, index };
  }

  /** The table that an entry names; a new one where it names none. */
  private below(table: number, level: number, index: number, user: boolean): number {
    const { memory, format } = this;
    const [high, low] = [memory.readHigh(table, index), memory.readLow(table, index)];
    if (format.typeOf(toLevel(level), high, low) === EntryType.TABLE) return format.pfnOf(high, low);
    const below = this.add();
    const entry = format.makeTable(toPfn(below), user);
    memory.write(table, index, entry.high, entry.low);
    return below;
  }
}
