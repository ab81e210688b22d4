import { KpkeysError } from "@kpkeys/core";
import type { TraceEvent } from "../reader/event.js";

/** Bytes of the smallest page of any kernel. */
const SMALLEST_PAGE = 4096;

/** What the high word of an address counts in bytes. */
const HIGH_WORD = 2 ** 32;

/** Arithmetic with the pages of one machine. Addresses and lengths are bytes, in pairs of 32-bit words as an event has them. */
export class PageMath {
  /** log2 of the bytes of a page. */
  readonly shift: number;
  /** Bytes of a page. */
  readonly bytes: number;
  private readonly inHighWord: number;

  /** @param shift - log2 of the bytes of a page */
  constructor(shift: number) {
    this.shift = shift;
    this.bytes = 2 ** shift;
    this.inHighWord = HIGH_WORD / this.bytes;
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
   * The pages that a length takes, or the first page at or above an address: PAGE_ALIGN.
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
   * Whether an address is one that Linux takes or gives as that of a page. One that is of a page, but not of a page of this machine,
   * shows that the recorded kernel has smaller pages, of which the machine cannot map or unmap a single one.
   * @param low - bits 31 to 0 of the address
   * @throws KpkeysError ERR_TRACE_PAGE_SIZE in that case
   */
  isPageAddress(low: number): boolean {
    if (this.isAligned(low)) return true;
    if ((low & (SMALLEST_PAGE - 1)) !== 0) return false;
    const recorded = low & -low;
    throw new KpkeysError("ERR_TRACE_PAGE_SIZE", `the recorded kernel has pages of ${recorded / 1024} KiB or less`, {
      expected: `pages of ${this.bytes / 1024} KiB, as this machine has; replay it on an architecture with smaller ones`,
    });
  }

  /**
   * The page that holds an event's address.
   * @param event - the event
   * @param slot - which argument, 0 to 5
   */
  pageAt(event: TraceEvent, slot: number): number {
    return this.pageOf(event.argHigh[slot]!, event.argLow[slot]!);
  }
}
