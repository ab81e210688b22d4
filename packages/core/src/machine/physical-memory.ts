import { toPfn } from "../contracts/numbers.js";
import type { Pfn } from "../contracts/numbers.js";
import type { MemoryBank, PhysicalMemory, Words } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { reserve } from "./reserve.js";
import { hex } from "../words.js";

/** Most frames from the first bank's start to the last bank's end: 1 TiB of 4 KiB pages. */
const MAX_FRAMES = 2 ** 28;
/** One past the highest page-frame number, so that a page-frame number is an int32. */
const MAX_PFN = 2 ** 31;
/** Most content, in bytes: 8 GiB, so that the number of a word is an int32. */
const MAX_CONTENT = 2 ** 33;
/** Content that a system must be able to reserve, in bytes. */
const LEAST_CONTENT = 2 ** 26;
/** Frames for each run that can be kept: twice as many runs as the leaf tables of 4 KiB that map all of them. */
const FRAMES_PER_RUN = 256;

/** Choices of {@link createPhysicalMemory}. */
export interface PhysicalMemoryOptions {
  /**
   * How many pages can have content; by default all pages, but at most 8 GiB. Address space for them is reserved at once, so that
   * their content never moves; memory is used only as pages get content. If the system refuses so much, half of it is asked for, and
   * so on.
   */
  readonly reservePages?: number;
  /** log2 of the page size in bytes, from 12 up; 12 if left out. */
  readonly pageShift?: number;
}

/**
 * Makes the machine's RAM.
 *
 * @param banks - runs of RAM, ascending, not overlapping; at most 2^28 frames from the first to the last, all below 2^31
 * @param options - how much content is reserved
 * @returns memory that reads as zero
 * @throws KpkeysError ERR_SPEC when the banks are not as described
 */
export function createPhysicalMemory(
  banks: readonly MemoryBank[],
  options: PhysicalMemoryOptions = {},
): PhysicalMemory {
  checkBanks(banks);
  return new SparseMemory(banks, options);
}

/**
 * RAM with content only where something was written. A table of one int32 a frame says where the frame's content is in one arena; a
 * frame that was never written has none, and one that was filled with a run of entries at once has only the run.
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
  materialisedPages = 0;
  private readonly slots: Int32Array;
  /** log2 of the int32 words in a page. */
  private readonly wordsShift: number;
  /** 64-bit entries of a page. */
  private readonly entries: number;
  private readonly capacity: number;
  /** The frame of each page of the arena, so that a reset costs what was materialised. */
  private readonly owners: Int32Array;
  private readonly runCapacity: number;
  private readonly runs: Int32Array;
  /** The frame of each run, like {@link owners}. */
  private readonly runOwners: Int32Array;
  private runCount = 0;

  constructor(
    readonly banks: readonly MemoryBank[],
    { reservePages, pageShift = 12 }: PhysicalMemoryOptions,
  ) {
    const frames = banks.reduce((sum, bank) => sum + bank.pages, 0);
    this.pageShift = pageShift;
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

  /** Where the content of a page begins in {@link words}. @param pfn - page-frame number @returns -1 if the page has no content */
  contentOffset(pfn: number): number {
    const frame = pfn - this.firstPfn;
    if (!(frame >= 0 && frame < this.slots.length)) return -1;
    const slot = this.slots[frame]!;
    return slot <= 0 ? -1 : slot - 1;
  }

  /**
   * Gives a page content, unless it has some.
   * @param pfn - page-frame number
   * @returns where it begins in {@link words}
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
   * Fills a page with a run of entries, which is kept as its first entry and the step until another write changes the page.
   * @param pfn - page-frame number, inside RAM
   * @param high - bits 63 to 32 of the first entry
   * @param low - bits 31 to 0
   * @param step - what is added from each to the next, 0 to 2^31 - 1
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

  reset(): void {
    const used = this.materialisedPages;
    for (let page = 0; page < used; page++) this.slots[this.owners[page]!] = 0;
    for (let run = 0; run < this.runCount; run++) this.slots[this.runOwners[run]!] = 0;
    this.words.fill(0, 0, used * 2 ** this.wordsShift);
    this.materialisedPages = 0;
    this.runCount = 0;
  }

  /** Whether a page is kept as a run. @param pfn - page-frame number */
  isRun(pfn: number): boolean {
    return this.runOf(pfn) !== -1;
  }

  /** Where the run of a frame is in `runs`, or -1. */
  private runOf(pfn: number): number {
    const frame = pfn - this.firstPfn;
    if (!(frame >= 0 && frame < this.slots.length)) return -1;
    const slot = this.slots[frame]!;
    return slot < 0 ? (-slot - 1) * 4 : -1;
  }

  /** An entry of a run: all steps up to it carry out of the low word. */
  private entryOfRun(run: number, index: number): Words {
    const low = (this.runs[run + 1]! >>> 0) + index * this.runs[run + 2]!;
    return { high: (this.runs[run]! + Math.floor(low / 2 ** 32)) | 0, low: low | 0 };
  }

  private expand(run: number, into: Int32Array, offset: number): void {
    this.fill(into, offset, this.runs[run]!, this.runs[run + 1]!, this.runs[run + 2]!);
  }

  /** Fills a page with entries, each `step` more than the one before. */
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
      throw new KpkeysError("ERR_PHYSICAL_ADDRESS", `there is no RAM at page frame ${hex(pfn)}`);
    }
    const used = this.materialisedPages;
    if (used === this.capacity) {
      throw new KpkeysError("ERR_OUT_OF_MEMORY", `more than ${this.capacity} pages of RAM would have content`, {
        where: `page frame ${hex(pfn)}`,
        expected: "fewer page tables and kernel objects: the model keeps no more, whatever memory the machine has",
      });
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

/**
 * The storage of a machine's RAM, for its CPUs.
 *
 * @param memory - the RAM
 * @returns the same object
 * @throws KpkeysError ERR_API_MISUSE when {@link createPhysicalMemory} did not make it
 */
export function storageOf(memory: PhysicalMemory): SparseMemory {
  if (memory instanceof SparseMemory) return memory;
  throw new KpkeysError("ERR_API_MISUSE", "a CPU cannot use this PhysicalMemory", {
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
      throw new KpkeysError("ERR_SPEC", "a bank is empty, or not behind the one before", { where });
    }
    end = firstPfn + pages;
    if (end > MAX_PFN || end - banks[0]!.firstPfn > MAX_FRAMES) {
      throw new KpkeysError("ERR_SPEC", "memory reaches too far", {
        where,
        expected: "at most 2^28 page frames, all below 2^31",
      });
    }
  }
  if (end === 0) throw new KpkeysError("ERR_SPEC", "there is no memory bank", { expected: "at least one" });
}
