import { readFileSync } from "node:fs";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { overheadOf, PARAMETERS, RFC_V5_COSTS } from "@kpkeys/workloads/cost";
import type { Costs, UnitCosts } from "@kpkeys/workloads/cost";
import {
  benchmarkCounts,
  costFileOf,
  evaluate,
  fitCosts,
  GOALS,
  missedGoals,
  PUBLISHED,
} from "@kpkeys/workloads/cost/fitting";
import type { BenchmarkCounts } from "@kpkeys/workloads/cost/fitting";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { benchmarkRunOf, calibrationJobs } from "../src/commands/overhead.js";
import { runJob } from "../src/job.js";
import { overheadCsvOf } from "../src/report/overhead.js";

const START = Object.fromEntries(PARAMETERS.map(({ name, start }) => [name, start])) as unknown as Costs;

describe("the model against the published table", () => {
  let counts: BenchmarkCounts[];
  let result: ReturnType<typeof evaluate>;

  beforeAll(async () => {
    const runs = [];
    for (const job of calibrationJobs(embeddedTrace.trace)) runs.push(benchmarkRunOf(await runJob(job)));
    counts = benchmarkCounts(runs);
    result = evaluate(counts, 1);
  });

  test("predicts the rows that it was not fitted to within the goals, for both halves", () => {
    const { accuracy, bestConstant, rankCorrelation } = result.evaluation;
    expect(accuracy.map(({ fittedOn }) => fittedOn)).toEqual(["even", "odd"]);
    for (const half of accuracy) {
      expect(half.batchedMedianError).toBeLessThanOrEqual(GOALS.batchedMedianError);
      expect(half.naiveMedianRelativeError).toBeLessThanOrEqual(GOALS.naiveMedianRelativeError);
      expect(half.meanError).toBeLessThanOrEqual(half.constantError / 2);
    }
    expect(bestConstant.modelError).toBeLessThanOrEqual(bestConstant.error / 2);
    expect(rankCorrelation).toBeGreaterThanOrEqual(GOALS.rankCorrelation);
    expect(missedGoals(result.evaluation)).toEqual([]);
  });

  test("has the errors that its documentation states", () => {
    const docs = readFileSync(new URL("../../../docs/overhead.md", import.meta.url), "utf8");
    const { accuracy, parameters, rankCorrelation } = result.evaluation;
    for (const { batchedMedianError, naiveMedianRelativeError, meanError, constantError } of accuracy) {
      for (const text of [
        `${batchedMedianError.toFixed(2)} points`,
        `${naiveMedianRelativeError.toFixed(1)} %`,
        `${meanError.toFixed(1)} points`,
        `${constantError.toFixed(1)} points`,
      ]) {
        expect(docs).toContain(text);
      }
    }
    expect(docs).toContain(rankCorrelation.toFixed(3));
    for (const { name, values } of parameters) {
      const row = new RegExp(`\\| \`${name}\` .* \\| ([\\d.]+) +\\| ([\\d.]+) +\\|`).exec(docs)!;
      expect(Number(row[1]), name).toBeCloseTo(Number(values.even.value.toPrecision(2)), 5);
      expect(Number(row[2]), name).toBeCloseTo(Number(values.odd.value.toPrecision(2)), 5);
    }
  });

  test("misses the goals when the counts of the benchmarks are swapped", () => {
    const benchmarks = PUBLISHED.map(({ benchmark }) => benchmark);
    const exchanged = counts.map((row) => {
      const at = benchmarks.indexOf(row.benchmark);
      return { ...row, benchmark: benchmarks[(at + 7) % benchmarks.length]! };
    });
    expect(missedGoals(evaluate(exchanged, 1).evaluation).length).toBeGreaterThan(0);
  });

  test("has each number of the table twice, once fitted and once predicted", () => {
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

  test("has no cost that affects one row only", () => {
    for (const { name } of PARAMETERS) {
      const moved = { ...START, [name]: 3 * START[name] };
      const rows = counts.filter(({ policy }) => policy !== "off");
      const touched = rows.filter(({ model }) => overheadOf(moved, model) !== overheadOf(START, model));
      expect(new Set(touched.map(({ benchmark }) => benchmark)).size, name).toBeGreaterThan(1);
    }
  });

  test("finds the unit costs of the package, which npm run calibrate writes", () => {
    const made = costFileOf([result.fits.even, result.fits.odd]);
    const shipped = RFC_V5_COSTS;
    expect({ ...made, costs: null, samples: null }).toEqual({ ...shipped, costs: null, samples: null });
    expect(made.samples).toHaveLength(shipped.samples!.length);
    for (const [name, cost] of Object.entries(made.costs) as [keyof UnitCosts, number][]) {
      expect(Math.abs(cost / shipped.costs[name] - 1), name).toBeLessThan(0.01);
    }
  });

  test("has the same costs and different ranges with another seed", () => {
    const { rows } = result.evaluation;
    const other = evaluate(counts, 2).evaluation.rows;
    expect(other.map(({ predicted }) => predicted)).toEqual(rows.map(({ predicted }) => predicted));
    expect(other.map(({ high }) => high)).not.toEqual(rows.map(({ high }) => high));
  });

  test("finds the costs from which a synthetic table was computed", () => {
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
