import type { MemoryBank, PhysicalMemory } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { reserve } from "./reserve.js";

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
   * How many pages can have content of their own; by default all pages, but at most 8 GiB. Address space for them is
   * reserved at once, so that {@link PhysicalMemory.words} never moves; memory is used only as pages get content. Where the system
   * refuses so much, half of it is asked for, and so on.
   */
  readonly reservePages?: number;
  /** log2 of the page size in bytes, from 12 up; 12 if left out. */
  readonly pageShift?: number;
}

/**
 * Makes the machine's RAM. A table of one int32 a frame says where the frame's content stands in one arena; a frame that was
 * never written has none, and one that was filled with a run of entries at once has only the run.
 *
 * ```text
 *   pfn - firstPfn ──> slots:  0 = zeroes
 *                              n = the page at word n - 1 ──> words: the arena, a page's int32 words together
 *                             -n = run n - 1 ───────────────> runs: high word, low word, step, spare
 * ```
 *
 * @param banks - runs of RAM, ascending, not overlapping; at most 2^28 frames from the first to the last, all below 2^31
 * @param options - how much content is reserved
 * @returns memory that reads as zero
 * @throws KpkeysError ERR_SPEC when the banks are not as described
 */
export function createPhysicalMemory(
  banks: readonly MemoryBank[],
  { reservePages, pageShift = 12 }: PhysicalMemoryOptions = {},
): PhysicalMemory {
  checkBanks(banks);
  const firstPfn = banks[0]!.firstPfn;
  const endPfn = banks.at(-1)!.firstPfn + banks.at(-1)!.pages;
  const span = endPfn - firstPfn;
  const frames = banks.reduce((sum, bank) => sum + bank.pages, 0);
  /** log2 of the int32 words in a page. */
  const wordsShift = pageShift - 2;
  /** 64-bit entries of a page. */
  const entries = 2 ** (pageShift - 3);

  const slots = new Int32Array(reserve(span * 4));
  const words = reserveContent(Math.min(frames, reservePages ?? MAX_CONTENT / 2 ** pageShift), 2 ** pageShift);
  const capacity = words.length / 2 ** wordsShift;
  /** Which frame each page of the arena belongs to, so that a reset costs what was materialised. */
  const owners = new Int32Array(reserve(capacity * 4));
  const runCapacity = Math.ceil(frames / FRAMES_PER_RUN);
  /** One more than are kept, for a run that is written out at once. */
  const runs = new Int32Array(reserve((runCapacity + 1) * 16));
  /** Which frame each run belongs to, like {@link owners}. */
  const runOwners = new Int32Array(reserve(runCapacity * 4));
  let runCount = 0;

  function contains(pfn: number): boolean {
    for (const bank of banks) if (pfn >= bank.firstPfn && pfn < bank.firstPfn + bank.pages) return true;
    return false;
  }

  function contentOffset(pfn: number): number {
    const frame = pfn - firstPfn;
    if (!(frame >= 0 && frame < span)) return -1;
    const slot = slots[frame]!;
    return slot <= 0 ? -1 : slot - 1;
  }

  /** Where the run of a frame stands in `runs`, or -1. */
  function runOf(pfn: number): number {
    const frame = pfn - firstPfn;
    if (!(frame >= 0 && frame < span)) return -1;
    const slot = slots[frame]!;
    return slot < 0 ? (-slot - 1) * 4 : -1;
  }

  /** The high word of an entry of a run: what all steps to it carry out of the low word. */
  function runHigh(run: number, index: number): number {
    const carried = Math.floor(((runs[run + 1]! >>> 0) + index * runs[run + 2]!) / 2 ** 32);
    return (runs[run]! + carried) | 0;
  }

  function runLow(run: number, index: number): number {
    return (runs[run + 1]! + index * runs[run + 2]!) | 0;
  }

  function expand(run: number, into: Int32Array, offset: number): void {
    for (let index = 0; index < entries; index++) {
      into[offset + index * 2] = runLow(run, index);
      into[offset + index * 2 + 1] = runHigh(run, index);
    }
  }

  function materialise(pfn: number): number {
    const offset = contentOffset(pfn);
    return offset === -1 ? giveContent(pfn) : offset;
  }

  function giveContent(pfn: number): number {
    if (!contains(pfn)) {
      throw new KpkeysError("ERR_PHYSICAL_ADDRESS", `there is no RAM at page frame 0x${pfn.toString(16)}`);
    }
    const used = memory.materialisedPages;
    if (used === capacity) {
      throw new KpkeysError("ERR_OUT_OF_MEMORY", `more than ${capacity} pages of RAM would have content`, {
        where: `page frame 0x${pfn.toString(16)}`,
        expected: "fewer page tables and kernel objects: the model keeps no more, whatever memory the machine has",
      });
    }
    const run = runOf(pfn);
    owners[used] = pfn - firstPfn;
    const offset = used << wordsShift;
    slots[pfn - firstPfn] = offset + 1;
    memory.materialisedPages = used + 1;
    if (run !== -1) expand(run, words, offset);
    return offset;
  }

  const memory: { -readonly [F in keyof PhysicalMemory]: PhysicalMemory[F] } = {
    pageShift,
    banks,
    firstPfn,
    endPfn,
    words,
    slots,
    materialisedPages: 0,
    contains,
    contentOffset,
    materialise,
    readLow(pfn, index) {
      const offset = contentOffset(pfn);
      if (offset !== -1) return words[offset + index * 2]!;
      const run = runOf(pfn);
      return run === -1 ? 0 : runLow(run, index);
    },
    readHigh(pfn, index) {
      const offset = contentOffset(pfn);
      if (offset !== -1) return words[offset + index * 2 + 1]!;
      const run = runOf(pfn);
      return run === -1 ? 0 : runHigh(run, index);
    },
    write(pfn, index, high, low) {
      let offset = contentOffset(pfn);
      if (offset === -1) {
        if (contains(pfn) && memory.readLow(pfn, index) === low && memory.readHigh(pfn, index) === high) return;
        offset = giveContent(pfn);
      }
      words[offset + index * 2] = low;
      words[offset + index * 2 + 1] = high;
    },
    writeRun(pfn, high, low, step) {
      const run = runCount * 4;
      runs[run] = high;
      runs[run + 1] = low;
      runs[run + 2] = step;
      if (!contains(pfn) || slots[pfn - firstPfn] !== 0 || runCount === runCapacity) {
        expand(run, words, materialise(pfn));
        return;
      }
      runOwners[runCount++] = pfn - firstPfn;
      slots[pfn - firstPfn] = -runCount;
    },
    read(pfn, page) {
      const offset = contentOffset(pfn);
      const run = runOf(pfn);
      if (offset !== -1) page.set(words.subarray(offset, offset + entries * 2));
      else if (run !== -1) expand(run, page, 0);
      else page.fill(0);
      return offset !== -1 || run !== -1;
    },
    reset() {
      const used = memory.materialisedPages;
      for (let page = 0; page < used; page++) slots[owners[page]!] = 0;
      for (let run = 0; run < runCount; run++) slots[runOwners[run]!] = 0;
      words.fill(0, 0, used * 2 ** wordsShift);
      memory.materialisedPages = 0;
      runCount = 0;
    },
  };
  return memory;
}

/** Words for the content of pages, of as many as the system allows. */
function reserveContent(pages: number, pageBytes: number): Int32Array<SharedArrayBuffer> {
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
