import { toPfn } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EarlyRanges, MAX_EARLY_RANGES } from "../src/early.js";

function pagesOf(ranges: readonly { pfn: number; pages: number }[]): number[] {
  return ranges.flatMap(({ pfn, pages }) => Array.from({ length: pages }, (_, index) => pfn + index));
}

describe("early ranges", () => {
  it("hold each recorded page once", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60)), fc.integer({ min: 1, max: 20 }), (pfns, capacity) => {
        const ranges = new EarlyRanges(capacity);
        const kept = pfns.filter((pfn) => ranges.record(toPfn(pfn)));
        const drained = ranges.drain();
        expect(drained.length).toBeLessThanOrEqual(capacity);
        expect(pagesOf(drained).sort((a, b) => a - b)).toEqual(kept.sort((a, b) => a - b));
      }),
    );
  });

  it("extend only the newest range, upwards or downwards", () => {
    const ranges = new EarlyRanges();
    for (const pfn of [10, 11, 9, 8, 20, 12, 21]) ranges.record(toPfn(pfn));
    expect(ranges.drain()).toEqual([
      { pfn: 8, pages: 4 },
      { pfn: 20, pages: 1 },
      { pfn: 12, pages: 1 },
      { pfn: 21, pages: 1 },
    ]);
  });

  it("are bounded, and extend the newest when all are in use", () => {
    const ranges = new EarlyRanges(2);
    expect([1, 3, 5, 4, 9].map((pfn) => ranges.record(toPfn(pfn)))).toEqual([true, true, false, true, false]);
    expect(MAX_EARLY_RANGES * 16).toBe(16 * 1024);
  });

  it("are empty after drain()", () => {
    const ranges = new EarlyRanges();
    ranges.record(toPfn(1));
    ranges.drain();
    expect(ranges.drain()).toEqual([]);
  });
});
