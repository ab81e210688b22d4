import type { Pfn } from "./numbers.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/** A run of RAM. */
export interface MemoryBank {
  /** First page-frame number. */
  readonly firstPfn: number;
  /** Number of pages. */
  readonly pages: number;
}

/**
 * The machine's RAM, as 64-bit words of two 32-bit halves. A page costs memory only once something other than zero was
 * written to it; a page never written reads as zero. Accesses here are physical: no walk and no key stands before them. They
 * are for hardware (the table walker), for the time before the MMU is on, and for tools.
 */
export interface PhysicalMemory {
  /** log2 of the page size in bytes. */
  readonly pageShift: number;
  /** The banks, ascending. */
  readonly banks: readonly MemoryBank[];
  /** First page-frame number of the first bank. */
  readonly firstPfn: Pfn;
  /** One past the last page-frame number of the last bank. */
  readonly endPfn: number;
  /** All content: low word at an even index, high word behind it. Only offsets that {@link contentOffset} gave are meaningful. */
  readonly words: Int32Array;
  /**
   * Where each frame has its content, by its number relative to {@link firstPfn}: n > 0 for the page that begins at word n - 1
   * of {@link words}; 0 for a page of zeroes, negative for one that is kept as a run. For who reads at every access; others ask {@link contentOffset}.
   */
  readonly slots: Int32Array;
  /** Number of pages that have content of their own. */
  readonly materialisedPages: number;
  /**
   * Whether a page-frame number lies in RAM.
   * @param pfn - page-frame number
   */
  contains(pfn: number): boolean;
  /**
   * Where a page's content stands in {@link words}.
   * @param pfn - page-frame number, inside RAM
   * @returns the index of its first word, or -1 while the page has no content of its own: {@link read} gives what it reads as
   */
  contentOffset(pfn: number): number;
  /**
   * The same, giving the page content of its own first.
   * @param pfn - page-frame number, inside RAM
   * @returns the index of its first word
   * @throws KpkeysError ERR_OUT_OF_MEMORY when the content of more pages is wanted than the model keeps, which more RAM does not change
   */
  materialise(pfn: number): number;
  /**
   * The low word of a 64-bit entry.
   * @param pfn - page-frame number, inside RAM
   * @param index - which 64-bit word of the page
   */
  readLow(pfn: number, index: number): number;
  /**
   * The high word of a 64-bit entry.
   * @param pfn - page-frame number, inside RAM
   * @param index - which 64-bit word of the page
   */
  readHigh(pfn: number, index: number): number;
  /**
   * Writes a 64-bit entry.
   * @param pfn - page-frame number, inside RAM
   * @param index - which 64-bit word of the page
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  write(pfn: number, index: number, high: number, low: number): void;
  /**
   * Fills a page: all its entries, each `step` more than the one before. A page without content is kept as this run, a few words in place
   * of 4 KiB, until {@link materialise} or another write gives it content; so a linear map costs what is looked at and changed.
   * @param pfn - page-frame number, inside RAM
   * @param high - bits 63 to 32 of the first entry
   * @param low - bits 31 to 0
   * @param step - what is added from each to the next, 0 to 2^31 - 1
   */
  writeRun(pfn: number, high: number, low: number, step: number): void;
  /**
   * Copies a page, for tools: gives it no content of its own.
   * @param pfn - page-frame number, inside RAM
   * @param page - receives all its int32 words, low ones of entries at even indices
   * @returns whether anything but zeroes was ever written to it
   */
  read(pfn: number, page: Int32Array): boolean;
  /** Forgets all content: every page reads as zero again. Costs what was materialised. */
  reset(): void;
}

/** Token of {@link PhysicalMemory}. */
export const PhysicalMemory: Token<PhysicalMemory> = token("PhysicalMemory");
