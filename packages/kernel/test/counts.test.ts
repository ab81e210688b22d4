import { describe, expect, it } from "vitest";
import { createCounts } from "../src/mm/counts.js";

describe("counts", () => {
  it("go on beyond an int32, each kind by itself", () => {
    const counts = createCounts(3);
    for (let round = 1; round <= 5; round++) {
      counts.add(1, 2 ** 31 - 1);
      counts.increment(1);
      counts.add(2, 7);
      expect([0, 1, 2].map((kind) => counts.of(kind))).toEqual([0, round * 2 ** 31, round * 7]);
    }
  });

  it("take the largest step where an int32 is nearly full", () => {
    const counts = createCounts(1);
    counts.add(0, 2 ** 31 - 1);
    counts.add(0, 2 ** 31 - 1);
    expect(counts.of(0)).toBe(2 ** 32 - 2);
  });
});
