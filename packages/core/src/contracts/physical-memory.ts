import type { ByteOrder, Pfn } from "./numbers.js";
import type { Words } from "./pkey-register.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/** A run of RAM. */
export interface MemoryBank {
  /** First page-frame number. */
  readonly firstPfn: Pfn;
  /** Number of pages. */
  readonly pages: number;
}

/**
 * The machine's RAM, as 64-bit words. Accesses are physical: without page tables and keys. They are for boot before the MMU is on, and for
 * tools. A page uses host memory only after a value other than zero was written to it.
 *
 * A word is the number that a load of the CPU returns. An entry is the number that the hardware walk reads: the same bytes in
 * {@link entryByteOrder}.
 *
 * ```text
 *   address           +0 +1 +2 +3 +4 +5 +6 +7      bytes of a POWER leaf
 *                     c0 00 00 00 12 34 41 8e
 *   entry   big       0xc00000001234418e           readEntry, writeEntry, readTable
 *   word    little    0x8e41341200000000           read, write, readPage; a load of a little-endian kernel
 * ```
 */
export interface PhysicalMemory {
  /** log2 of the page size in bytes. */
  readonly pageShift: number;
  /** Byte order of loads and stores. */
  readonly byteOrder: ByteOrder;
  /** Byte order of page-table entries. */
  readonly entryByteOrder: ByteOrder;
  /** The banks, ascending. */
  readonly banks: readonly MemoryBank[];
  /** First page-frame number of the first bank. */
  readonly firstPfn: Pfn;
  /** One past the last page-frame number of the last bank. */
  readonly endPfn: Pfn;
  /** Number of pages with content in host memory. */
  readonly materialisedPages: number;
  /**
   * Whether a page-frame number is in RAM.
   * @param pfn - page-frame number
   */
  contains(pfn: Pfn): boolean;
  /**
   * Reads a 64-bit word. Outside RAM it reads as zero.
   * @param pfn - page-frame number
   * @param index - which 64-bit word of the page
   */
  read(pfn: Pfn, index: number): Words;
  /**
   * Writes a 64-bit word.
   * @param pfn - page-frame number
   * @param index - which 64-bit word of the page
   * @param value - the value
   * @throws KpkeysError ERR_PHYSICAL_ADDRESS outside RAM; ERR_OUT_OF_MEMORY if the limit of pages with content is reached, which does not
   *   depend on the size of RAM
   */
  write(pfn: Pfn, index: number, value: Words): void;
  /**
   * Copies a page.
   * @param pfn - page-frame number
   * @param page - receives all 32-bit words of the page: of each 64-bit word bits 31 to 0, then bits 63 to 32
   * @returns whether a value other than zero was ever written to it
   */
  readPage(pfn: Pfn, page: Int32Array): boolean;
  /**
   * Reads a page-table entry, as the hardware walk does. Outside RAM it reads as zero.
   * @param table - page-frame number
   * @param index - index of the entry in the page
   */
  readEntry(table: Pfn, index: number): Words;
  /**
   * Writes a page-table entry.
   * @param table - page-frame number
   * @param index - index of the entry in the page
   * @param entry - the entry
   * @throws KpkeysError as {@link write}
   */
  writeEntry(table: Pfn, index: number, entry: Words): void;
  /**
   * Copies the entries of a page: {@link readPage} in the byte order of entries.
   * @param table - page-frame number
   * @param page - receives all 32-bit words of the page: of each entry bits 31 to 0, then bits 63 to 32
   * @returns whether a value other than zero was ever written to it
   */
  readTable(table: Pfn, page: Int32Array): boolean;
  /** Sets all of RAM to zero. The cost is proportional to {@link materialisedPages}. */
  reset(): void;
}

/** Token of {@link PhysicalMemory}. */
export const PhysicalMemory: Token<PhysicalMemory> = token("PhysicalMemory");
