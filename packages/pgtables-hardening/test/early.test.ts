import { toPfn } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createEarlyRanges, MAX_EARLY_RANGES } from "../src/early.js";

function pagesOf(ranges: readonly { pfn: number; pages: number }[]): number[] {
  return ranges.flatMap(({ pfn, pages }) => Array.from({ length: pages }, (_, index) => pfn + index));
}

describe("early ranges", () => {
  it("hold exactly the pages that were kept, each once", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(60)), fc.integer({ min: 1, max: 20 }), (pfns, capacity) => {
        const ranges = createEarlyRanges(capacity);
        const kept = pfns.filter((pfn) => ranges.record(toPfn(pfn)));
        const taken = ranges.take();
        expect(taken.length).toBeLessThanOrEqual(capacity);
        expect(pagesOf(taken).sort((a, b) => a - b)).toEqual(kept.sort((a, b) => a - b));
      }),
    );
  });

  it("grow upwards and downwards from the last one alone", () => {
    const ranges = createEarlyRanges();
    for (const pfn of [10, 11, 9, 8, 20, 12, 21]) ranges.record(toPfn(pfn));
    expect(ranges.take()).toEqual([
      { pfn: 8, pages: 4 },
      { pfn: 20, pages: 1 },
      { pfn: 12, pages: 1 },
      { pfn: 21, pages: 1 },
    ]);
  });

  it("are bounded, and go on growing the last when all are in use", () => {
    const ranges = createEarlyRanges(2);
    expect([1, 3, 5, 4, 9].map((pfn) => ranges.record(toPfn(pfn)))).toEqual([true, true, false, true, false]);
    expect(MAX_EARLY_RANGES * 16).toBe(16 * 1024);
  });

  it("are discarded once taken", () => {
    const ranges = createEarlyRanges();
    ranges.record(toPfn(1));
    ranges.take();
    expect(ranges.take()).toEqual([]);
  });
});
