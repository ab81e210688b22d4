import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readArchOptions } from "../../src/machine/index.js";
import type { TlbGeometry } from "../../src/machine/index.js";

const read = (tlb: unknown): TlbGeometry => readArchOptions("toy", { tlb }, { standard: 40, least: 36, most: 48 }).tlb;

describe("the option tlb of an architecture plugin", () => {
  test("is 1,024 sets of one way unless it says otherwise, field by field", () => {
    const usual = { sets: 1024, ways: 1, replacement: "lru", seed: 1 };
    expect(readArchOptions("toy", {}, { standard: 40, least: 36, most: 48 }).tlb).toEqual(usual);
    for (const part of [{}, { sets: 16 }, { ways: 0 }, { sets: 0 }, { replacement: "fifo" }, { seed: -3 }]) {
      expect(read(part)).toEqual({ ...usual, ...part });
    }
  });

  test("takes every power of two for the sets and every whole number of ways up to 2^20 entries", () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(20), (log2, ways) => {
        const given = { sets: 2 ** log2, ways };
        if (given.sets * ways <= 2 ** 20) expect(read(given)).toMatchObject(given);
        else expect(() => read(given)).toThrow(/no more than 1048576 entries/);
      }),
    );
  });

  test.each([
    [null, /option 'tlb' is no object/],
    [64, /option 'tlb' is no object/],
    [[16, 4], /option 'tlb' is no object/],
    [{ entries: 64 }, /unknown field 'entries' of option 'tlb'; expected sets, ways, replacement or seed/],
    [{ sets: 3 }, /'tlb.sets' is impossible; expected 0 or a power of two/],
    [{ sets: -2 }, /'tlb.sets'/],
    [{ sets: 0.5 }, /'tlb.sets'/],
    [{ sets: 2 ** 31 }, /'tlb.sets'/],
    [{ sets: "64" }, /'tlb.sets'/],
    [{ ways: -1 }, /'tlb.ways'/],
    [{ ways: 1.5 }, /'tlb.ways'/],
    [{ ways: Infinity }, /'tlb.ways'/],
    [{ replacement: "LRU" }, /'tlb.replacement' is unknown; expected lru, fifo or random/],
    [{ replacement: null }, /'tlb.replacement'/],
    [{ seed: 0.5 }, /'tlb.seed' is no whole number/],
  ])("%j is refused", (option, message) => {
    expect(() => read(option)).toThrow(expect.objectContaining({ code: "ERR_SPEC" }) as Error);
    expect(() => read(option)).toThrow(message);
  });
});
