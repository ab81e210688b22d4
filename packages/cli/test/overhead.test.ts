import { readFileSync } from "node:fs";
import { embeddedTrace, NO_WORK } from "@kpkeys/workloads";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { calibrationJobs } from "../src/commands/overhead.js";
import { runJob } from "../src/job.js";
import { benchmarkCounts } from "../src/overhead/benchmarks.js";
import type { BenchmarkCounts } from "../src/overhead/benchmarks.js";
import { costFileOf, readCosts } from "../src/overhead/costs.js";
import type { UnitCosts } from "../src/overhead/costs.js";
import { estimateOverhead } from "../src/overhead/estimate.js";
import { evaluate, GOALS, missedGoals } from "../src/overhead/evaluate.js";
import { fitCosts } from "../src/overhead/fit.js";
import { overheadOf, PARAMETERS } from "../src/overhead/model.js";
import type { Costs, ModelRow } from "../src/overhead/model.js";
import { PUBLISHED } from "../src/overhead/published.js";
import { median, rankCorrelation } from "../src/overhead/statistics.js";
import { overheadCsvOf } from "../src/report/overhead.js";

const START = Object.fromEntries(PARAMETERS.map(({ name, start }) => [name, start])) as unknown as Costs;

describe("the model against the published table", () => {
  let counts: BenchmarkCounts[];
  let result: ReturnType<typeof evaluate>;

  beforeAll(async () => {
    const results = [];
    for (const job of calibrationJobs(embeddedTrace.trace)) results.push(await runJob(job));
    counts = benchmarkCounts(results);
    result = evaluate(counts, 1);
  });

  test("predicts the rows that its fit did not know within the goals, both ways round", () => {
    const { accuracy, bestConstant, rankCorrelation } = result.evaluation;
    expect(accuracy.map(({ fittedOn }) => fittedOn)).toEqual(["even", "odd"]);
    for (const way of accuracy) {
      expect(way.batchedMedianError).toBeLessThanOrEqual(GOALS.batchedMedianError);
      expect(way.naiveMedianRelativeError).toBeLessThanOrEqual(GOALS.naiveMedianRelativeError);
      expect(way.meanError).toBeLessThanOrEqual(way.constantError / 2);
    }
    expect(bestConstant.modelError).toBeLessThanOrEqual(bestConstant.error / 2);
    expect(rankCorrelation).toBeGreaterThanOrEqual(GOALS.rankCorrelation);
    expect(missedGoals(result.evaluation)).toEqual([]);
  });

  test("errs as its documentation says", () => {
    const docs = readFileSync(new URL("../../../docs/overhead.md", import.meta.url), "utf8");
    const { accuracy, parameters, rankCorrelation } = result.evaluation;
    for (const { batchedMedianError, naiveMedianRelativeError, meanError, constantError } of accuracy) {
      for (const said of [
        `${batchedMedianError.toFixed(2)} points`,
        `${naiveMedianRelativeError.toFixed(1)} %`,
        `${meanError.toFixed(1)} points`,
        `${constantError.toFixed(1)} points`,
      ]) {
        expect(docs).toContain(said);
      }
    }
    expect(docs).toContain(rankCorrelation.toFixed(3));
    for (const { name, values } of parameters) {
      const said = new RegExp(`\\| \`${name}\` .* \\| ([\\d.]+) +\\| ([\\d.]+) +\\|`).exec(docs)!;
      expect(Number(said[1]), name).toBeCloseTo(Number(values.even.value.toPrecision(2)), 5);
      expect(Number(said[2]), name).toBeCloseTo(Number(values.odd.value.toPrecision(2)), 5);
    }
  });

  test("misses the goals, and says so, when the benchmarks' counts change places", () => {
    const benchmarks = PUBLISHED.map(({ benchmark }) => benchmark);
    const exchanged = counts.map((row) => {
      const at = benchmarks.indexOf(row.benchmark);
      return { ...row, benchmark: benchmarks[(at + 7) % benchmarks.length]! };
    });
    expect(missedGoals(evaluate(exchanged, 1).evaluation).length).toBeGreaterThan(0);
  });

  test("shows each number of the table twice, once fitted and once predicted", () => {
    const { rows } = result.evaluation;
    expect(rows).toHaveLength(4 * PUBLISHED.length);
    for (const { benchmark, percent } of PUBLISHED) {
      for (const policy of ["naive", "batched"] as const) {
        const both = rows.filter((row) => row.benchmark === benchmark && row.policy === policy);
        expect(both.map(({ fitted }) => fitted).sort()).toEqual([false, true]);
        for (const { published, low, high } of both) {
          expect(published).toBe(percent[policy]);
          expect(low).toBeLessThan(high);
        }
      }
    }
    const [head, ...lines] = overheadCsvOf(result.evaluation).trimEnd().split("\n");
    expect(head).toBe("benchmark,policy,published,predicted,low,high,fitted");
    expect(lines).toHaveLength(rows.length);
    for (const line of lines) expect(line).toMatch(/^[\w :]+,(naive|batched)(,-?\d+\.\d\d){4},(true|false)$/);
  });

  test("has no cost that belongs to one row", () => {
    for (const { name } of PARAMETERS) {
      const moved = { ...START, [name]: 3 * START[name] };
      const rows = counts.filter(({ policy }) => policy !== "off");
      const touched = rows.filter(({ model }) => overheadOf(moved, model) !== overheadOf(START, model));
      expect(new Set(touched.map(({ benchmark }) => benchmark)).size, name).toBeGreaterThan(1);
    }
  });

  test("gives the unit costs that come along: npm run calibrate writes them anew", async () => {
    const made = costFileOf([result.fits.even, result.fits.odd]);
    const shipped = await readCosts();
    expect({ ...made, costs: null, samples: null }).toEqual({ ...shipped, costs: null, samples: null });
    expect(made.samples).toHaveLength(shipped.samples!.length);
    for (const [name, cost] of Object.entries(made.costs) as [keyof UnitCosts, number][]) {
      expect(Math.abs(cost / shipped.costs[name] - 1), name).toBeLessThan(0.01);
    }
  });

  test("has the same costs with any seed, and other ranges", () => {
    const { rows } = result.evaluation;
    const other = evaluate(counts, 2).evaluation.rows;
    expect(other.map(({ predicted }) => predicted)).toEqual(rows.map(({ predicted }) => predicted));
    expect(other.map(({ high }) => high)).not.toEqual(rows.map(({ high }) => high));
  });

  test("finds the costs that a made-up table was computed from", () => {
    const rows = counts.filter(({ policy }) => policy !== "off").map(({ model }) => model);
    const cost = fc.double({ min: Math.log(0.5), max: Math.log(2), noNaN: true });
    fc.assert(
      fc.property(fc.tuple(...PARAMETERS.map(() => cost)), (logarithms) => {
        const truth = Object.fromEntries(
          PARAMETERS.map(({ name, start }, i) => [name, start * Math.exp(logarithms[i]!)]),
        ) as unknown as Costs;
        const made = rows.map((row) => ({ ...row, published: overheadOf(truth, row) }));
        const { costs } = fitCosts(made, 1);
        for (const row of made) {
          expect(Math.abs(overheadOf(costs, row) - row.published)).toBeLessThan(0.2 + 0.02 * row.published);
        }
      }),
      { numRuns: 3, seed: 7 },
    );
  });
});

describe("the model", () => {
  const row: ModelRow = {
    hardening: { synchronisedWrites: 20, elidedWrites: 10, setMemoryPkeyCalls: 2 },
    tableWrites: 100,
    work: { ...NO_WORK, rangeSteps: 4, pages: 8 },
  };

  test("is the time that the hardening adds, by the time without it", () => {
    const costs = { ...START, elidedWrite: 0.5, setMemoryPkey: 30, tableWrite: 1, rangeStep: 5, page: 10 };
    expect(overheadOf(costs, row)).toBeCloseTo((100 * (20 + 5 + 60)) / (100 + 20 + 80), 10);
  });

  test("adds nothing where nothing is switched and no key set", () => {
    const hardening = { synchronisedWrites: 0, elidedWrites: 0, setMemoryPkeyCalls: 0 };
    expect(overheadOf(START, { ...row, hardening })).toBe(0);
  });
});

test("the published table is in no other source than its own", () => {
  const numbers = PUBLISHED.flatMap(({ percent }) => Object.values(percent).map((value) => String(value)));
  for (const name of ["model", "fit", "evaluate", "benchmarks", "estimate", "costs", "what-if"]) {
    const source = readFileSync(new URL(`../src/overhead/${name}.ts`, import.meta.url), "utf8");
    for (const number of numbers.filter((text) => text.length > 4)) expect(source).not.toContain(number);
  }
});

describe("the estimate of a workload", () => {
  const none = { registerWrites: 0, barriers: 0, setMemoryPkeyCalls: 0, userFaults: 100 };
  const estimate = async (counters: object) =>
    estimateOverhead({ ...none, ...counters } as Parameters<typeof estimateOverhead>[0], await readCosts());

  test("is nothing when nothing is switched, and says what it is calibrated on", async () => {
    expect(await estimate({})).toEqual({
      percent: 0,
      low: 0,
      high: 0,
      basis: "estimated, calibrated on RFC v5's mock measurements",
    });
  });

  test("lies in its range, and grows with the switches", async () => {
    const once = (await estimate({ registerWrites: 1000, barriers: 1000 }))!;
    const twice = (await estimate({ registerWrites: 2000, barriers: 2000 }))!;
    expect(once.low).toBeLessThan(once.percent);
    expect(once.percent).toBeLessThan(once.high);
    expect(twice.percent / once.percent).toBeCloseTo(2, 5);
    for (const value of [once.percent, once.low, once.high]) expect(value).toBe(Number(value.toPrecision(6)));
  });

  test("is not made without a fault to measure system time by", async () => {
    expect(await estimate({ userFaults: 0 })).toBeNull();
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

  test("a rank correlation is 1 for the same order, -1 for the opposite, and does not see by how much values differ", () => {
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
