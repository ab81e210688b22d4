import type { MemoryBank, PhysicalMemory } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** Most frames from the first bank's start to the last bank's end: 1 TiB of 4 KiB pages. */
const MAX_FRAMES = 2 ** 28;
/** One past the highest page-frame number, so that a page-frame number is an int32. */
const MAX_PFN = 2 ** 31;
/** Most content, in bytes: 1 GiB. */
const MAX_CONTENT = 2 ** 30;

/** Choices of {@link createPhysicalMemory}. */
export interface PhysicalMemoryOptions {
  /**
   * How many pages can have content of their own; by default all pages, but at most 1 GiB. Address space for them is
   * reserved at once, so that {@link PhysicalMemory.words} never moves; memory is used only as pages get content.
   */
  readonly reservePages?: number;
  /** log2 of the page size in bytes, from 12 up; 12 if left out. */
  readonly pageShift?: number;
}

/**
 * Makes the machine's RAM. A table of one int32 a frame says where the frame's content stands in one arena; a frame that was
 * never written has none.
 *
 * ```text
 *   pfn - firstPfn ──> slots: 0 = no content, n = the arena's page n - 1 ──> words: a page's int32 words
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
  const capacity = Math.min(frames, reservePages ?? MAX_CONTENT / 2 ** pageShift);
  /** log2 of the int32 words in a page. */
  const wordsShift = pageShift - 2;

  const slots = new Int32Array(span);
  const words = new Int32Array(capacity << wordsShift);
  /** Which frame each page of the arena belongs to, so that a reset costs what was materialised. */
  const owners = new Int32Array(capacity);

  function contains(pfn: number): boolean {
    for (const bank of banks) if (pfn >= bank.firstPfn && pfn < bank.firstPfn + bank.pages) return true;
    return false;
  }

  function contentOffset(pfn: number): number {
    const frame = pfn - firstPfn;
    if (!(frame >= 0 && frame < span)) return -1;
    const slot = slots[frame]!;
    return slot === 0 ? -1 : (slot - 1) << wordsShift;
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
      });
    }
    owners[used] = pfn - firstPfn;
    slots[pfn - firstPfn] = used + 1;
    memory.materialisedPages = used + 1;
    return used << wordsShift;
  }

  const memory: { -readonly [F in keyof PhysicalMemory]: PhysicalMemory[F] } = {
    pageShift,
    banks,
    firstPfn,
    endPfn,
    words,
    materialisedPages: 0,
    contains,
    contentOffset,
    materialise,
    readLow(pfn, index) {
      const offset = contentOffset(pfn);
      return offset === -1 ? 0 : words[offset + index * 2]!;
    },
    readHigh(pfn, index) {
      const offset = contentOffset(pfn);
      return offset === -1 ? 0 : words[offset + index * 2 + 1]!;
    },
    write(pfn, index, high, low) {
      let offset = contentOffset(pfn);
      if (offset === -1) {
        if ((high | low) === 0 && contains(pfn)) return;
        offset = giveContent(pfn);
      }
      words[offset + index * 2] = low;
      words[offset + index * 2 + 1] = high;
    },
    reset() {
      const used = memory.materialisedPages;
      for (let page = 0; page < used; page++) slots[owners[page]!] = 0;
      words.fill(0, 0, used << wordsShift);
      memory.materialisedPages = 0;
    },
  };
  return memory;
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
