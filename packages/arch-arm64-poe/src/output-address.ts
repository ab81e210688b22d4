import type { Arm64Geometry } from "./geometry.js";

/**
 * The output address of a descriptor. Bits 51 and 50, or 51 to 48 with pages of 64 KiB, are in the low word:
 *
 * ```text
 *   4 KiB, 16 KiB   [47:PAGE_SHIFT]
 *   LPA2            [49:PAGE_SHIFT] and [9:8] = 51:50
 *   64 KiB          [47:16] and [15:12] = 51:48
 * ```
 */
export class OutputAddress {
  private readonly pageShift: number;
  private readonly pfnsInHighWord: number;
  private readonly highMask: number;
  private readonly movedFrom: number;
  private readonly movedMask: number;
  private readonly movedShift: number;

  /** @param geometry - the shape of the tables */
  constructor({ pageShift, outputAddress }: Arm64Geometry) {
    const { highMask, moved = { from: 0, bits: 0, to: 32 } } = outputAddress;
    this.pageShift = pageShift;
    this.pfnsInHighWord = 2 ** (32 - pageShift);
    this.highMask = highMask;
    this.movedFrom = moved.from;
    this.movedMask = 2 ** moved.bits - 1;
    this.movedShift = moved.to - 32;
  }

  /** Bits 63 to 32 of a descriptor that has only an address. @param pfn - page-frame number */
  high(pfn: number): number {
    return (pfn / this.pfnsInHighWord) & this.highMask;
  }

  /** Bits 31 to 0 of that descriptor. @param pfn - page-frame number */
  low(pfn: number): number {
    const moved = ((pfn / this.pfnsInHighWord) >>> this.movedShift) & this.movedMask;
    return (pfn << this.pageShift) | (moved << this.movedFrom);
  }

  /** Bits 63 to 32 of the output address. @param high - bits 63 to 32 of a descriptor @param low - bits 31 to 0 */
  addressHigh(high: number, low: number): number {
    return (high & this.highMask) | (((low >>> this.movedFrom) & this.movedMask) << this.movedShift);
  }

  /** The page-frame number of the output address. @param high - bits 63 to 32 of a descriptor @param low - bits 31 to 0 */
  pfn(high: number, low: number): number {
    return this.addressHigh(high, low) * this.pfnsInHighWord + (low >>> this.pageShift);
  }
}
