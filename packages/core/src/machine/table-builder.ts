import { EntryType, toAsid, toLevel, toPfn } from "../contracts/index.js";
import type { Cpu, PageTableFormat, Pfn, PhysicalMemory, Words } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { toWords } from "../words.js";

/** The location of an entry. */
export interface EntryPlace {
  /** Page-frame number of the table that holds the entry. */
  readonly table: Pfn;
  /** Index of the entry in the page: in a root smaller than a page it counts from the start of the page. */
  readonly index: number;
}

/**
 * Builds page tables in RAM without a kernel. It allocates frames from the start of RAM upwards and frees none. User and kernel
 * addresses have one root each, or a common one if the geometry has no split roots. A user root smaller than a page starts inside its
 * page, so that walks from such an address are tested.
 */
export class TableBuilder {
  private next: number;
  private readonly kernelRoot: Pfn;
  private readonly userRoot: Pfn;
  /** Index of the first entry of that root in its page. */
  private readonly userRootIndex: number;

  /**
   * @param memory - RAM
   * @param format - the codec of the tables
   * @param userEnd - one past the highest user address
   * @param pages - number of frames to allocate at most
   */
  constructor(
    private readonly memory: PhysicalMemory,
    private readonly format: PageTableFormat,
    private readonly userEnd: bigint,
    private readonly pages: number,
  ) {
    this.next = memory.firstPfn;
    this.kernelRoot = this.allocate();
    const { splitRoots, levels, pageShift } = format.geometry;
    this.userRoot = splitRoots ? this.allocate() : this.kernelRoot;
    const entries = 2 ** levels[0]!.indexBits;
    this.userRootIndex = splitRoots && entries < 2 ** (pageShift - 3) ? entries : 0;
  }

  /** Sets the roots of a CPU, with ASID 1 for user addresses, and turns its translation on. @param cpu - a CPU */
  enable({ mmu }: Cpu): void {
    mmu.setKernelRoot(this.kernelRoot);
    mmu.setUserRoot(this.userRoot, toAsid(1), this.userRootIndex);
    mmu.enabled = true;
  }

  /**
   * Allocates a frame, for a table or for data.
   * @returns its page-frame number
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  allocate(): Pfn {
    if (this.next === this.memory.firstPfn + this.pages) {
      throw new KpkeysError("ERR_OUT_OF_MEMORY", `all ${this.pages} pages for tables and data are allocated`);
    }
    return toPfn(this.next++);
  }

  /**
   * Finds the entry that translates an address, and allocates the missing tables above it.
   * @param address - 64 bits
   * @param level - the level of the table that holds the entry, 0 being the top
   * @param root - the root; the current one of the address if left out
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  place(address: bigint, level: number, root?: Pfn): EntryPlace {
    const user = address < this.userEnd;
    const { high, low } = toWords(address);
    let table = root ?? (user ? this.userRoot : this.kernelRoot);
    let first = root === undefined && user ? this.userRootIndex : 0;
    for (let above = 0; above < level; above++) {
      table = this.below({ table, index: first + this.format.index(toLevel(above), high, low) }, above, user);
      first = 0;
    }
    return { table, index: first + this.format.index(toLevel(level), high, low) };
  }

  /**
   * Writes the entry that translates an address, and allocates the missing tables above it. Invalidates no translation.
   * @param address - 64 bits
   * @param level - the level of the table that holds the entry, 0 being the top
   * @param entry - the entry
   * @param root - the root; the current one of the address if left out
   * @returns where the entry is
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  put(address: bigint, level: number, entry: Words, root?: Pfn): EntryPlace {
    const place = this.place(address, level, root);
    this.memory.writeEntry(place.table, place.index, entry);
    return place;
  }

  /** The table that an entry points to; a new one if it points to none. */
  private below({ table, index }: EntryPlace, level: number, user: boolean): Pfn {
    const { memory, format } = this;
    const { high, low } = memory.readEntry(table, index);
    if (format.typeOf(toLevel(level), high, low) === EntryType.TABLE) return format.pfnOf(high, low);
    const below = this.allocate();
    memory.writeEntry(table, index, format.makeTable(below, user));
    return below;
  }
}
