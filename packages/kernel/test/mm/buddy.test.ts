import { SHRINK_STOP, toPfn } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BuddyAllocator } from "../../src/mm/buddy.js";
import { Reclaim } from "../../src/mm/reclaim.js";

const FIRST = 0x80000;
const LARGEST = 1024;

/** Number of the largest block of a page. */
const blockOf = (pfn: number): number => Math.floor((pfn - FIRST) / LARGEST);

describe("pages of one mobility", () => {
  it("share largest blocks, which keep their mobility until they are completely free", () => {
    const buddy = new BuddyAllocator({ firstPfn: toPfn(FIRST), endPfn: toPfn(FIRST + 4 * LARGEST) }, {});
    buddy.addRange(toPfn(FIRST), toPfn(FIRST + 4 * LARGEST));
    const kernel = Array.from({ length: 3 }, () => buddy.alloc(0)!);
    const user = Array.from({ length: 3 }, () => buddy.alloc(0, true)!);
    expect([new Set(kernel.map(blockOf)).size, new Set(user.map(blockOf)).size]).toEqual([1, 1]);
    expect(blockOf(kernel[0]!)).not.toBe(blockOf(user[0]!));
    for (const pfn of kernel) buddy.free(pfn, 0);
    for (let i = 0; i < 3 * LARGEST; i++) expect(blockOf(buddy.alloc(0, true)!)).toBeGreaterThanOrEqual(0);
    expect([buddy.freePages, blockOf(buddy.alloc(0, true)!) >= 0]).toEqual([LARGEST - 3, true]);
  });

  it("come from blocks of the other mobility before an allocation fails", () => {
    for (const movable of [true, false]) {
      const buddy = new BuddyAllocator({ firstPfn: toPfn(FIRST), endPfn: toPfn(FIRST + LARGEST) }, {});
      buddy.addRange(toPfn(FIRST), toPfn(FIRST + LARGEST));
      const held = buddy.alloc(3, !movable)!;
      const all = Array.from({ length: LARGEST - 8 }, () => buddy.alloc(0, movable)!);
      expect([
        (all as unknown[]).includes(undefined),
        new Set(all).size,
        buddy.alloc(0, movable),
        buddy.freePages,
      ]).toEqual([false, LARGEST - 8, undefined, 0]);
      for (const pfn of all) buddy.free(pfn, 0);
      buddy.free(held, 3);
      expect(buddy.alloc(buddy.maxOrder)).toBe(FIRST);
    }
  });

  it("are not allocated for an order above the largest", () => {
    for (const maxOrder of [10, 11, 13]) {
      const buddy = new BuddyAllocator({ firstPfn: toPfn(0), endPfn: toPfn(2 ** 14) }, { maxPageOrder: maxOrder });
      buddy.addRange(toPfn(0), toPfn(2 ** 14));
      expect([buddy.maxOrder, buddy.alloc(maxOrder + 1), buddy.freePages]).toEqual([maxOrder, undefined, 2 ** 14]);
      expect(buddy.alloc(maxOrder)! % 2 ** maxOrder).toBe(0);
    }
  });

  it("do not come from a block that is too small", () => {
    const buddy = new BuddyAllocator({ firstPfn: toPfn(FIRST), endPfn: toPfn(FIRST + LARGEST) }, {});
    buddy.addRange(toPfn(FIRST + 1), toPfn(FIRST + 4));
    expect([buddy.alloc(2), buddy.alloc(1), buddy.alloc(1), buddy.alloc(0), buddy.alloc(0)]).toEqual([
      undefined,
      FIRST + 2,
      undefined,
      FIRST + 1,
      undefined,
    ]);
  });
});

describe("the allocator compared with a set of free pages", () => {
  it("allocates and frees the same blocks of both mobilities and all orders", () => {
    const step = fc.tuple(fc.nat(10), fc.boolean(), fc.boolean(), fc.nat());
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.array(step, { maxLength: 120 }),
        (start, length, steps) => {
          const buddy = new BuddyAllocator({ firstPfn: toPfn(FIRST), endPfn: toPfn(FIRST + 6144) }, {});
          const end = start + length;
          buddy.addRange(toPfn(FIRST + start), toPfn(FIRST + end));
          expect([buddy.totalPages, buddy.freePages]).toEqual([length, length]);
          const isFree = new Set(Array.from({ length }, (_, i) => FIRST + start + i));
          const held: (readonly [pfn: number, order: number])[] = [];
          const fits = (order: number): boolean => {
            for (let pfn = FIRST; pfn < FIRST + end; pfn += 2 ** order)
              if (Array.from({ length: 2 ** order }, (_, i) => pfn + i).every((page) => isFree.has(page))) return true;
            return false;
          };
          for (const [order, frees, movable, which] of steps) {
            if (frees && held.length > 0) {
              const [pfn, of] = held.splice(which % held.length, 1)[0]!;
              buddy.free(toPfn(pfn), of);
              for (let i = 0; i < 2 ** of; i++) isFree.add(pfn + i);
            } else {
              const pfn = buddy.alloc(order, movable);
              // Buddies merge immediately, so a free aligned block is always found.
              expect(pfn !== undefined).toBe(fits(order));
              if (pfn === undefined) continue;
              expect((pfn - FIRST) % 2 ** order).toBe(0);
              for (let i = 0; i < 2 ** order; i++) expect(isFree.delete(pfn + i)).toBe(true);
              held.push([pfn, order]);
            }
            expect(buddy.freePages).toBe(isFree.size);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("reclaim", () => {
  /** A reclaim with one cache, and the arguments of its scans. */
  function cache(seeks: number, batch: number, objects: number): { asked: number[]; reclaim: Reclaim } {
    const asked: number[] = [];
    let left = objects;
    const reclaim = new Reclaim();
    reclaim.register({
      name: "test",
      seeks,
      batch,
      count: () => left,
      scan(wanted) {
        asked.push(wanted);
        const freed = Math.min(wanted, left);
        left -= freed;
        return freed;
      },
    });
    return { asked, reclaim };
  }

  it.each([
    ["4 / seeks of its objects", 2, 10, 100, [...Array<number>(20).fill(10)]],
    ["at most twice its objects", 1, 50, 100, [50, 50, 50, 50]],
    ["half of its objects for 0 seeks, in whole batches", 0, 20, 100, [20, 20]],
    ["less than a batch if it has no more", 2, 128, 5, [10]],
    ["nothing in the first pass if the share is less than a batch", 8, 128, 100, []],
  ])("scans %s", (_, seeks, batch, objects, expected) => {
    const { asked, reclaim } = cache(seeks, batch, objects);
    reclaim.until(() => toPfn(1));
    const first = asked.slice(0, expected.length);
    expect(first).toEqual(expected);
    if (expected.length === 0) expect(asked.length > 0).toBe(true);
  });

  it("defers a share smaller than a batch to the next pass", () => {
    // The share is 50 of 100 objects: the second pass scans all of them.
    const { asked, reclaim } = cache(8, 128, 100);
    let attempts = 0;
    expect(reclaim.until(() => toPfn(++attempts))).toBe(1);
    expect([asked, attempts]).toEqual([[100], 1]);
  });

  it("retries after each pass that frees, and 16 times after passes that do not", () => {
    const { asked, reclaim } = cache(4, 1, 3);
    const attempts: number[] = [];
    const fails = (): undefined => void attempts.push(asked.length);
    expect(reclaim.until(fails)).toBeUndefined();
    expect(attempts).toEqual([3]);
    let counts = 0;
    const busy = new Reclaim();
    busy.register({ name: "busy", seeks: 1, batch: 1, count: () => (counts++, 0), scan: () => 1 });
    expect([busy.until(() => toPfn(7)), counts]).toEqual([undefined, 16]);
    expect(new Reclaim().until(() => toPfn(7))).toBeUndefined();
  });

  it("stops at SHRINK_STOP, counts the objects freed before it, and continues with the other caches", () => {
    const reclaim = new Reclaim();
    const answers = [5, SHRINK_STOP, 9] as const;
    let asked = 0;
    reclaim.register({ name: "stops", seeks: 4, batch: 10, count: () => 30, scan: () => answers[asked++]! });
    let others = 0;
    reclaim.register({ name: "other", seeks: 4, batch: 1, count: () => 1, scan: () => (others++, 0) });
    expect([reclaim.until(() => toPfn(3)), asked, others]).toEqual([3, 2, 1]);
  });
});
