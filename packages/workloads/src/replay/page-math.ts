import { KpkeysError } from "@kpkeys/core";
import type { TraceEvent } from "../reader/event.js";

/** Bytes of the smallest page of any kernel. */
const SMALLEST_PAGE = 4096;

/** Page arithmetic for one machine. Addresses and lengths are in bytes, as the two 32-bit words of an event. */
export class PageMath {
  /** log2 of the page size. */
  readonly shift: number;
  /** Bytes of a page. */
  readonly bytes: number;
  /** Pages in 4 GiB. */
  private readonly inHighWord: number;

  /** @param shift - log2 of the page size */
  constructor(shift: number) {
    this.shift = shift;
    this.bytes = 2 ** shift;
    this.inHighWord = 2 ** 32 / this.bytes;
  }

  /**
   * The page that holds an address.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   */
  pageOf(high: number, low: number): number {
    return (high >>> 0) * this.inHighWord + (low >>> this.shift);
  }

  /**
   * The number of pages of a length, or the first page at or above an address: PAGE_ALIGN.
   * @param high - bits 63 to 32 of the bytes
   * @param low - bits 31 to 0
   */
  pagesOf(high: number, low: number): number {
    return this.pageOf(high, low) + (this.isAligned(low) ? 0 : 1);
  }

  /**
   * Whether a number of bytes is a multiple of the page.
   * @param low - bits 31 to 0 of the bytes
   */
  isAligned(low: number): boolean {
    return (low & (this.bytes - 1)) === 0;
  }

  /**
   * Whether an address is page-aligned. An address that is aligned to 4 KiB but not to this machine's pages shows that the recorded kernel
   * has smaller pages; this machine cannot map them one by one.
   * @param low - bits 31 to 0 of the address
   * @throws KpkeysError ERR_TRACE_PAGE_SIZE for such an address
   */
  isPageAddress(low: number): boolean {
    if (this.isAligned(low)) return true;
    if ((low & (SMALLEST_PAGE - 1)) !== 0) return false;
    const recorded = low & -low;
    throw new KpkeysError("ERR_TRACE_PAGE_SIZE", `the recorded kernel has pages of ${recorded / 1024} KiB or less`, {
      expected: `pages of ${this.bytes / 1024} KiB like this machine's; replay the recording on an architecture with smaller pages`,
    });
  }

  /**
   * The page that holds an address among an event's arguments.
   * @param event - the event
   * @param slot - which argument, 0 to 5
   */
  pageAt(event: TraceEvent, slot: number): number {
    return this.pageOf(event.argHigh[slot]!, event.argLow[slot]!);
  }
}
