import { EntryType, toAsid, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { Cpu, PageTableFormat, Pfn, PhysicalMemory, Words } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";

/** An entry in a table. */
export interface EntryPlace {
  /** Page-frame number of the table. */
  readonly table: Pfn;
  /** Index of the entry. */
  readonly index: number;
}

/** The page tables of a bench: pages from the start of RAM on, and a top-level table for each half, or one for both. */
export class BenchTables {
  private next: number;
  private readonly end: number;
  private readonly kernelRoot: Pfn;
  private readonly userRoot: Pfn;

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
    mmu.setKernelRoot(this.kernelRoot);
    mmu.setUserRoot(this.userRoot, toAsid(1));
    mmu.enabled = true;
  }

  /** A fresh table, which is not in use yet. @returns its page-frame number */
  add(): Pfn {
    if (this.next === this.end) throw new Error("the bench has no page left for a table");
    return toPfn(this.next++);
  }

  /** Puts an entry where it translates an address: `Bench.put`. */
  put(address: bigint, level: number, entry: Words, root?: Pfn): EntryPlace {
    const { memory, format } = this;
    const user = address < this.userEnd;
    const words = toWords(address);
    let table = root ?? (user ? this.userRoot : this.kernelRoot);
    for (let above = 0; above < level; above++) {
      table = this.below(table, above, format.index(toLevel(above), words.high, words.low), user);
    }
    const index = format.index(toLevel(level), words.high, words.low);
    memory.write(table, index, entry);
    return { table, index };
  }

  /** The table that an entry names; a new one where it names none. */
  private below(table: Pfn, level: number, index: number, user: boolean): Pfn {
    const { memory, format } = this;
    const { high, low } = memory.read(table, index);
    if (format.typeOf(toLevel(level), high, low) === EntryType.TABLE) return format.pfnOf(high, low);
    const below = this.add();
    memory.write(table, index, format.makeTable(below, user));
    return below;
  }
}
