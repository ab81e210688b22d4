import { SHRINK_STOP, toPfn } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BuddyAllocator } from "../../src/mm/buddy.js";
import { Reclaim } from "../../src/mm/reclaim.js";

const FRAMES = 1024;

/** A buddy allocator whose pages are all in a cache. A scan frees them. */
function withCache(
  seeks: number,
  batch: number,
): {
  buddy: BuddyAllocator;
  cached: number[];
  asked: number[];
} {
  const buddy = new BuddyAllocator({ firstPfn: toPfn(0), endPfn: toPfn(FRAMES) }, {});
  buddy.addRange(toPfn(0), toPfn(FRAMES));
  const cached = Array.from({ length: FRAMES }, () => buddy.alloc(0)!);
  const asked: number[] = [];
  buddy.registerShrinker({
    name: "test",
    seeks,
    batch,
    count: () => cached.length,
    scan(wanted) {
      asked.push(wanted);
      const freed = cached.splice(0, wanted);
      for (const pfn of freed) buddy.free(pfn, 0);
      return freed.length;
    },
  });
  return { buddy, cached, asked };
}

describe("an allocation that would fail", () => {
  it("scans the caches for every batch size until they are empty", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 600 }),
        fc.nat(9),
        (seeks, batch, order) => {
          const { buddy, cached } = withCache(seeks, batch);
          for (let pages = FRAMES; pages > 0; pages -= 2 ** order) expect(buddy.alloc(order)).toBeGreaterThanOrEqual(0);
          expect([cached.length, buddy.alloc(0)]).toEqual([0, undefined]);
        },
      ),
    );
  });

  it("scans half of the objects of a cache with 0 seeks, in whole batches", () => {
    const { buddy, asked } = withCache(0, 128);
    buddy.alloc(0);
    expect(asked).toEqual([128, 128, 128, 128]);
  });

  it("scans no cache while memory is free, and fails if every cache stops", () => {
    const { buddy, asked } = withCache(0, 128);
    buddy.free(toPfn(5), 0);
    expect([buddy.alloc(0), asked.length]).toEqual([5, 0]);

    const reclaim = new Reclaim();
    let scans = 0;
    reclaim.register({ name: "busy", seeks: 0, batch: 1, count: () => 100, scan: () => (scans++, SHRINK_STOP) });
    expect(reclaim.until(() => toPfn(1))).toBeUndefined();
    expect(scans).toBe(16);
  });
});
