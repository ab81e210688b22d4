import { toPfn } from "@kpkeys/core/contracts";
import type { Pfn } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BuddyAllocator } from "../../src/mm/buddy.js";

const FIRST = 0x80000;
const FRAMES = 8192;

describe("the buddy allocator", () => {
  it("allocates each page once, naturally aligned, and merges freed pages into the largest blocks", () => {
    const orders = fc.array(fc.tuple(fc.nat({ max: 10 }), fc.boolean(), fc.boolean()), { maxLength: 300 });
    fc.assert(
      fc.property(orders, (steps) => {
        const buddy = new BuddyAllocator({ firstPfn: toPfn(FIRST), endPfn: toPfn(FIRST + FRAMES) }, {});
        buddy.addRange(toPfn(FIRST), toPfn(FIRST + FRAMES));
        const held: (readonly [Pfn, number])[] = [];
        const owned = new Set<number>();
        for (const [order, freeing, movable] of steps) {
          const block = freeing ? held.shift() : undefined;
          if (block !== undefined) {
            buddy.free(...block);
            for (let i = 0; i < 1 << block[1]; i++) owned.delete(block[0] + i);
            continue;
          }
          const pfn = buddy.alloc(order, movable);
          if (pfn === undefined) continue;
          expect(pfn % (1 << order)).toBe(0);
          for (let i = 0; i < 1 << order; i++) {
            if (owned.has(pfn + i)) throw new Error(`page ${pfn + i} handed out twice`);
            owned.add(pfn + i);
          }
          held.push([pfn, order]);
        }
        expect(buddy.freePages).toBe(FRAMES - owned.size);
        for (const block of held) buddy.free(...block);
        for (let i = 0; i < FRAMES / 1024; i++) expect(buddy.alloc(buddy.maxOrder)).toBeGreaterThanOrEqual(FIRST);
        expect(buddy.alloc(0)).toBeUndefined();
      }),
    );
  });

  it("manages exactly the pages of a range that is not aligned to the largest block", () => {
    const buddy = new BuddyAllocator({ firstPfn: toPfn(FIRST), endPfn: toPfn(FIRST + FRAMES) }, {});
    buddy.addRange(toPfn(FIRST + 3), toPfn(FIRST + 1500));
    expect(buddy.totalPages).toBe(1497);
    const pages = Array.from({ length: 1497 }, () => buddy.alloc(0)!);
    expect(new Set(pages).size).toBe(1497);
    expect(Math.min(...pages)).toBe(FIRST + 3);
    expect(Math.max(...pages)).toBe(FIRST + 1499);
    expect(buddy.alloc(0)).toBeUndefined();
  });
});
