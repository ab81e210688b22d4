import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KpkeysError } from "../../src/errors.js";
import { readArchOptions } from "../../src/machine/index.js";
import type { TlbGeometry } from "../../src/machine/index.js";

const read = (tlb: unknown): TlbGeometry => readArchOptions("toy", { tlb }, { standard: 40, least: 36, most: 48 }).tlb;

/** The message of the ERR_SPEC that an option gives. */
function refusalOf(tlb: unknown): string {
  try {
    return `accepted: ${JSON.stringify(read(tlb))}`;
  } catch (error) {
    expect((error as KpkeysError).code).toBe("ERR_SPEC");
    return (error as KpkeysError).message;
  }
}

describe("the option tlb of an architecture plugin", () => {
  test("defaults to 1,024 sets of one way, field by field", () => {
    const defaults = { sets: 1024, ways: 1, replacement: "lru", seed: 1 };
    expect(readArchOptions("toy", {}, { standard: 40, least: 36, most: 48 }).tlb).toEqual(defaults);
    for (const part of [{}, { sets: 16 }, { ways: 0 }, { sets: 0 }, { replacement: "fifo" }, { seed: -3 }]) {
      expect(read(part)).toEqual({ ...defaults, ...part });
    }
  });

  test("accepts every power of two for the sets and every integer for the ways, up to 2^20 entries", () => {
    fc.assert(
      fc.property(fc.nat(20), fc.nat(20), (log2, ways) => {
        const given = { sets: 2 ** log2, ways };
        if (given.sets * ways <= 2 ** 20) expect(read(given)).toMatchObject(given);
        else expect(refusalOf(given)).toContain("tlb.ways");
      }),
    );
  });

  test.each([
    [null, "'tlb'"],
    [64, "'tlb'"],
    [[16, 4], "'tlb'"],
    [{ entries: 64 }, "'entries'"],
    [{ sets: 3 }, "'tlb.sets'"],
    [{ sets: -2 }, "'tlb.sets'"],
    [{ sets: 0.5 }, "'tlb.sets'"],
    [{ sets: 2 ** 31 }, "'tlb.sets'"],
    [{ sets: "64" }, "'tlb.sets'"],
    [{ ways: -1 }, "'tlb.ways'"],
    [{ ways: 1.5 }, "'tlb.ways'"],
    [{ ways: Infinity }, "'tlb.ways'"],
    [{ replacement: "LRU" }, "'tlb.replacement'"],
    [{ replacement: null }, "'tlb.replacement'"],
    [{ seed: 0.5 }, "'tlb.seed'"],
  ])("rejects %j by the name of the field", (option, field) => {
    expect(refusalOf(option)).toContain(field);
  });
});
