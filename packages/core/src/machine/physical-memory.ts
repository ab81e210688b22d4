import { toPfn } from "../contracts/numbers.js";
import type { ByteOrder, Pfn } from "../contracts/numbers.js";
import type { MemoryBank, PhysicalMemory, Words } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { reserve } from "./reserve.js";
import { hex, swapBytes, swapWords } from "../words.js";

/** Maximal number of frames from the start of the first bank to the end of the last: 1 TiB of 4 KiB pages. */
const MAX_FRAMES = 2 ** 28;
/** One past the highest page-frame number, so that a page-frame number is an int32. */
const MAX_PFN = 2 ** 31;
/** Maximal content in bytes: 8 GiB, so that the index of a word is an int32. */
const MAX_CONTENT = 2 ** 33;
/** Minimal content in bytes: if the system cannot reserve it, the machine cannot be built. */
const LEAST_CONTENT = 2 ** 26;
/** Frames of RAM for each run. There are twice as many runs as last-level tables that map all RAM with 4 KiB pages. */
const FRAMES_PER_RUN = 256;

/** Options of {@link createPhysicalMemory}. Page size and byte orders are those of the `Geometry` of the architecture. */
export interface PhysicalMemoryOptions {
  /**
   * Maximal number of pages with content; if left out, all pages up to 8 GiB. Their address space is reserved at once, so that content
   * never moves; host memory is used only for pages with content. If the system cannot reserve it, half of it is tried, and so on.
   */
  readonly reservePages?: number;
  /** log2 of the page size in bytes, from 12 up; 12 if left out. */
  readonly pageShift?: number;
  /** Byte order of loads and stores; little if left out. */
  readonly byteOrder?: ByteOrder | undefined;
  /** Byte order of page-table entries; little if left out. */
  readonly entryByteOrder?: ByteOrder | undefined;
}

/**
 * Makes the machine's RAM.
 *
 * @param banks - runs of RAM, ascending, not overlapping; at most 2^28 frames from the first to the last, all below 2^31
 * @param options - page size and reserved content
 * @returns memory that reads as zero
 * @throws KpkeysError ERR_SPEC if the banks are not as described
 */
export function createPhysicalMemory(
  banks: readonly MemoryBank[],
  options: PhysicalMemoryOptions = {},
): PhysicalMemory {
  checkBanks(banks);
  return new SparseMemory(banks, options);
}

/**
 * RAM that allocates content for written frames only. One int32 for each frame has the offset of its content in an arena. A frame that
 * was never written has no content; a frame that was filled with a run of entries has only the run.
 *
 * ```text
 *   pfn - firstPfn ──> slots:  0 = zeroes
 *                              n = the page at word n - 1 ──> words: the arena, a page's int32 words together
 *                             -n = run n - 1 ───────────────> runs: high word, low word, step, unused
 * ```
 */
export class SparseMemory implements PhysicalMemory {
  readonly pageShift: number;
  readonly firstPfn: Pfn;
  readonly endPfn: Pfn;
  /** The arena. Only offsets that {@link contentOffset} or {@link materialise} returned are meaningful. */
  readonly words: Int32Array;
  readonly byteOrder: ByteOrder;
  readonly entryByteOrder: ByteOrder;
  /** Whether an entry has its bytes in the other order than a word. */
  readonly swapsEntries: boolean;
  materialisedPages = 0;
  private readonly slots: Int32Array;
  /** log2 of the int32 words in a page. */
  private readonly wordsShift: number;
  /** 64-bit entries of a page. */
  private readonly entries: number;
  private readonly capacity: number;
  /** The frame of each page of the arena, so that the cost of a reset depends on the pages with content only. */
  private readonly owners: Int32Array;
  private readonly runCapacity: number;
  private readonly runs: Int32Array;
  /** The frame of each run, like {@link owners}. */
  private readonly runOwners: Int32Array;
  private runCount = 0;

  constructor(
    readonly banks: readonly MemoryBank[],
    { reservePages, pageShift = 12, byteOrder = "little", entryByteOrder = "little" }: PhysicalMemoryOptions,
  ) {
    const frames = banks.reduce((sum, bank) => sum + bank.pages, 0);
    this.pageShift = pageShift;
    this.byteOrder = byteOrder;
    this.entryByteOrder = entryByteOrder;
    this.swapsEntries = byteOrder !== entryByteOrder;
    this.firstPfn = toPfn(banks[0]!.firstPfn);
    this.endPfn = toPfn(banks.at(-1)!.firstPfn + banks.at(-1)!.pages);
    this.wordsShift = pageShift - 2;
    this.entries = 2 ** (pageShift - 3);
    this.slots = new Int32Array(reserve((this.endPfn - this.firstPfn) * 4));
    this.words = reserveContent(Math.min(frames, reservePages ?? MAX_CONTENT / 2 ** pageShift), 2 ** pageShift);
    this.capacity = this.words.length / 2 ** this.wordsShift;
    this.owners = new Int32Array(reserve(this.capacity * 4));
    this.runCapacity = Math.ceil(frames / FRAMES_PER_RUN);
    this.runs = new Int32Array(reserve(this.runCapacity * 16));
    this.runOwners = new Int32Array(reserve(this.runCapacity * 4));
  }

  contains(pfn: number): boolean {
    for (const bank of this.banks) if (pfn >= bank.firstPfn && pfn < bank.firstPfn + bank.pages) return true;
    return false;
  }

  /** Offset of a page's content in {@link words}. @param pfn - page-frame number @returns -1 if the page has no content */
  contentOffset(pfn: number): number {
    const frame = pfn - this.firstPfn;
    if (!(frame >= 0 && frame < this.slots.length)) return -1;
    const slot = this.slots[frame]!;
    return slot <= 0 ? -1 : slot - 1;
  }

  /**
   * Allocates content for a page that has none.
   * @param pfn - page-frame number
   * @returns its offset in {@link words}
   * @throws KpkeysError ERR_PHYSICAL_ADDRESS outside RAM; ERR_OUT_OF_MEMORY
   */
  materialise(pfn: number): number {
    const offset = this.contentOffset(pfn);
    return offset === -1 ? this.giveContent(pfn) : offset;
  }

  read(pfn: number, index: number): Words {
    const offset = this.contentOffset(pfn);
    if (offset !== -1) return { high: this.words[offset + index * 2 + 1]!, low: this.words[offset + index * 2]! };
    const run = this.runOf(pfn);
    return run === -1 ? { high: 0, low: 0 } : this.entryOfRun(run, index);
  }

  write(pfn: number, index: number, { high, low }: Words): void {
    let offset = this.contentOffset(pfn);
    if (offset === -1) {
      const old = this.read(pfn, index);
      if (old.high === high && old.low === low && this.contains(pfn)) return;
      offset = this.giveContent(pfn);
    }
    this.words[offset + index * 2] = low;
    this.words[offset + index * 2 + 1] = high;
  }

  /**
   * Fills a page with a run of entries. The run is stored as its first entry and the step until a CPU reads the page or a write changes it.
   * @param pfn - page-frame number, inside RAM
   * @param high - bits 63 to 32 of the first entry
   * @param low - bits 31 to 0
   * @param step - difference of consecutive entries, 0 to 2^31 - 1
   */
  writeRun(pfn: number, high: number, low: number, step: number): void {
    const slot = this.slots[pfn - this.firstPfn];
    if (slot !== 0 || !this.contains(pfn) || this.runCount === this.runCapacity) {
      this.fill(this.words, this.materialise(pfn), high, low, step);
      return;
    }
    if ((high | low | step) === 0) return;
    this.runs.set([high, low, step], this.runCount * 4);
    this.runOwners[this.runCount++] = pfn - this.firstPfn;
    this.slots[pfn - this.firstPfn] = -this.runCount;
  }

  readPage(pfn: number, page: Int32Array): boolean {
    const offset = this.contentOffset(pfn);
    const run = this.runOf(pfn);
    if (offset !== -1) page.set(this.words.subarray(offset, offset + this.entries * 2));
    else if (run !== -1) this.expand(run, page, 0);
    else page.fill(0);
    return offset !== -1 || run !== -1;
  }

  readEntry(table: number, index: number): Words {
    const word = this.read(table, index);
    return this.swapsEntries ? swapWords(word) : word;
  }

  writeEntry(table: number, index: number, entry: Words): void {
    this.write(table, index, this.swapsEntries ? swapWords(entry) : entry);
  }

  readTable(table: number, page: Int32Array): boolean {
    const hasContent = this.readPage(table, page);
    if (this.swapsEntries) swapAll(page);
    return hasContent;
  }

  reset(): void {
    const used = this.materialisedPages;
    for (let page = 0; page < used; page++) this.slots[this.owners[page]!] = 0;
    for (let run = 0; run < this.runCount; run++) this.slots[this.runOwners[run]!] = 0;
    this.words.fill(0, 0, used * 2 ** this.wordsShift);
    this.materialisedPages = 0;
    this.runCount = 0;
  }

  /** Whether a page is stored as a run. @param pfn - page-frame number */
  isRun(pfn: number): boolean {
    return this.runOf(pfn) !== -1;
  }

  /** Index of a frame's run in `runs`, or -1. */
  private runOf(pfn: number): number {
    const frame = pfn - this.firstPfn;
    if (!(frame >= 0 && frame < this.slots.length)) return -1;
    const slot = this.slots[frame]!;
    return slot < 0 ? (-slot - 1) * 4 : -1;
  }

  /** An entry of a run: the steps up to it carry into the high word. */
  private entryOfRun(run: number, index: number): Words {
    const low = (this.runs[run + 1]! >>> 0) + index * this.runs[run + 2]!;
    return { high: (this.runs[run]! + Math.floor(low / 2 ** 32)) | 0, low: low | 0 };
  }

  private expand(run: number, into: Int32Array, offset: number): void {
    this.fill(into, offset, this.runs[run]!, this.runs[run + 1]!, this.runs[run + 2]!);
  }

  /** Fills a page with entries with a difference of `step`. */
  private fill(into: Int32Array, offset: number, high: number, low: number, step: number): void {
    const end = offset + this.entries * 2;
    if (step === 0 && high === low) {
      into.fill(low, offset, end);
      return;
    }
    let nextHigh = high;
    let nextLow = low | 0;
    for (let at = offset; at < end; at += 2) {
      into[at] = nextLow;
      into[at + 1] = nextHigh;
      nextLow = (nextLow + step) | 0;
      if (nextLow >>> 0 < step) nextHigh++;
    }
  }

  private giveContent(pfn: number): number {
    if (!this.contains(pfn)) {
      throw new KpkeysError("ERR_PHYSICAL_ADDRESS", `cannot write page frame ${hex(pfn)}: it is outside RAM`);
    }
    const used = this.materialisedPages;
    if (used === this.capacity) {
      throw new KpkeysError(
        "ERR_OUT_OF_MEMORY",
        `cannot write another page: ${this.capacity} pages of RAM have content`,
        {
          where: `page frame ${hex(pfn)}`,
          advice: "use fewer page tables and kernel objects: more RAM does not raise the limit of the model",
        },
      );
    }
    const run = this.runOf(pfn);
    this.owners[used] = pfn - this.firstPfn;
    const offset = used << this.wordsShift;
    this.slots[pfn - this.firstPfn] = offset + 1;
    this.materialisedPages = used + 1;
    if (run !== -1) this.expand(run, this.words, offset);
    return offset;
  }
}

/** Reverses the bytes of each 64-bit value. @param page - of each value bits 31 to 0, then bits 63 to 32 */
function swapAll(page: Int32Array): void {
  for (let at = 0; at < page.length; at += 2) {
    const low = page[at]!;
    page[at] = swapBytes(page[at + 1]!);
    page[at + 1] = swapBytes(low);
  }
}

/**
 * The storage of a machine's RAM, for its CPUs.
 *
 * @param memory - the RAM
 * @returns the same object
 * @throws KpkeysError ERR_API_MISUSE when {@link createPhysicalMemory} did not make it
 */
export function storageOf(memory: PhysicalMemory): SparseMemory {
  if (memory instanceof SparseMemory) return memory;
  throw new KpkeysError("ERR_API_MISUSE", "cannot use this PhysicalMemory: it is another implementation", {
    where: "createCpu",
    expected: "memory made by createPhysicalMemory of @kpkeys/core/machine",
  });
}

/** Words for the content of pages, of as many as the system allows. */
function reserveContent(pages: number, pageBytes: number): Int32Array {
  for (let capacity = pages; ; capacity = Math.ceil(capacity / 2)) {
    try {
      return new Int32Array(reserve(capacity * pageBytes));
    } catch (error) {
      if (!(error instanceof RangeError) || capacity * pageBytes <= LEAST_CONTENT) throw error;
    }
  }
}

/** @throws KpkeysError ERR_SPEC */
function checkBanks(banks: readonly MemoryBank[]): void {
  let end = 0;
  for (const { firstPfn, pages } of banks) {
    const where = `memory bank at page frame ${firstPfn} of ${pages} pages`;
    if (!Number.isSafeInteger(firstPfn) || !Number.isSafeInteger(pages) || pages < 1 || firstPfn < end) {
      throw new KpkeysError("ERR_SPEC", "a bank is empty or not above the previous one", { where });
    }
    end = firstPfn + pages;
    if (end > MAX_PFN || end - banks[0]!.firstPfn > MAX_FRAMES) {
      throw new KpkeysError("ERR_SPEC", "the memory banks span too many page frames", {
        where,
        expected: "at most 2^28 page frames, all below 2^31",
      });
    }
  }
  if (end === 0) throw new KpkeysError("ERR_SPEC", "there is no memory bank", { expected: "at least one" });
}
