import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PUBLISHED } from "../src/cost/fitting/index.js";
import { estimateOverhead, overheadOf, PARAMETERS, RFC_V5_COSTS } from "../src/cost/index.js";
import type { Costs, ModelRow } from "../src/cost/index.js";
import { median, rankCorrelation } from "../src/cost/statistics.js";
import { NO_WORK } from "../src/index.js";

const START = Object.fromEntries(PARAMETERS.map(({ name, start }) => [name, start])) as unknown as Costs;

describe("the model", () => {
  const row: ModelRow = {
    hardening: { synchronisedWrites: 20, elidedWrites: 10, setMemoryPkeyCalls: 2 },
    tableWrites: 100,
    work: { ...NO_WORK, rangeSteps: 4, pages: 8 },
  };

  test("divides the time that the hardening adds by the time without it", () => {
    const costs = { ...START, elidedWrite: 0.5, setMemoryPkey: 30, tableWrite: 1, rangeStep: 5, page: 10 };
    expect(overheadOf(costs, row)).toBeCloseTo((100 * (20 + 5 + 60)) / (100 + 20 + 80), 10);
  });

  test("adds nothing without key switches and set_memory_pkey", () => {
    const hardening = { synchronisedWrites: 0, elidedWrites: 0, setMemoryPkeyCalls: 0 };
    expect(overheadOf(START, { ...row, hardening })).toBe(0);
  });
});

test("only published.ts contains numbers of the published table", () => {
  const numbers = PUBLISHED.flatMap(({ percent }) => Object.values(percent).map((value) => String(value)));
  const folder = fileURLToPath(new URL("../src/cost/", import.meta.url));
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const file of files.filter((file) => file.endsWith(".ts") && !file.endsWith("published.ts"))) {
    const source = readFileSync(folder + file, "utf8");
    for (const number of numbers.filter((text) => text.length > 4)) expect(source).not.toContain(number);
  }
});

describe("the estimate of a workload", () => {
  const none = { registerWrites: 0, barriers: 0, setMemoryPkeyCalls: 0, userFaults: 100 };
  const estimate = (counters: object): ReturnType<typeof estimateOverhead> =>
    estimateOverhead({ ...none, ...counters } as Parameters<typeof estimateOverhead>[0], RFC_V5_COSTS);

  test("is 0 without key switches, and has the basis of the unit costs", () => {
    expect(estimate({})).toEqual({ percent: 0, low: 0, high: 0, basis: RFC_V5_COSTS.basis });
  });

  test("is inside its range, and is proportional to the key switches", () => {
    const once = estimate({ registerWrites: 1000, barriers: 1000 })!;
    const twice = estimate({ registerWrites: 2000, barriers: 2000 })!;
    expect(once.low).toBeLessThan(once.percent);
    expect(once.percent).toBeLessThan(once.high);
    expect(twice.percent / once.percent).toBeCloseTo(2, 5);
    for (const value of [once.percent, once.low, once.high]) expect(value).toBe(Number(value.toPrecision(6)));
  });

  test("is null without a user fault", () => {
    expect(estimate({ userFaults: 0 })).toBeNull();
  });
});

describe("the statistics", () => {
  const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 30 });

  test("a median has as many values on either side", () => {
    fc.assert(
      fc.property(values, (list) => {
        const middle = median(list);
        const below = list.filter((value) => value < middle).length;
        const above = list.filter((value) => value > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(list.length / 2);
      }),
    );
  });

  test("a rank correlation is 1 for the same order and -1 for the opposite, and depends on the order only", () => {
    const distinct = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(distinct, (list) => {
        expect(rankCorrelation(list, list)).toBeCloseTo(1, 10);
        const cubes = list.map((value) => value ** 3);
        expect(rankCorrelation(list, cubes)).toBeCloseTo(1, 10);
        const opposite = list.map((value) => -value);
        expect(rankCorrelation(list, opposite)).toBeCloseTo(-1, 10);
      }),
    );
  });

  test("equal values share their rank", () => {
    // Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: Pearson's correlation of them.
    expect(rankCorrelation([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 10);
  });
});
