import { MULBERRY32, Random } from "@kpkeys/core";
import { levenbergMarquardt } from "ml-levenberg-marquardt";
import { overheadOf, PARAMETERS } from "../model.js";
import type { Costs, ModelRow } from "../model.js";
import { mean, pick } from "../statistics.js";

/** A row with what was published of it. */
export interface Observation extends ModelRow {
  /** Overhead in percent. */
  readonly published: number;
}

/** Costs fitted to rows, and how well these rows tell them. */
export interface Fit {
  /** The costs that fit best. */
  readonly costs: Costs;
  /** Costs fitted to the same rows with their residuals exchanged at random: a bootstrap. */
  readonly samples: readonly Costs[];
  /** Residuals of the rows, each divided by its scatter, around 0 and widened by the degrees of freedom. */
  readonly residuals: readonly number[];
}

/**
 * What a number of the table may be off by, in percentage points: one, since numbers down to -2 stand there that no cost explains, and
 * a tenth, since the model's form is no better.
 * @param percent - the number
 */
export function scatterOf(percent: number): number {
  return 1 + 0.1 * Math.abs(percent);
}

/** Resampled fits: as many as give the 5th and 95th percentile with some calm. */
const SAMPLES = 200;

/** Bounds of every cost but the elided write, which cannot cost more than one with its ISB. */
const LEAST = 0.01;
const MOST = 1000;

/** Costs are searched by their logarithms, so that they stay positive. */
function costsOf(logarithms: readonly number[]): Costs {
  return Object.fromEntries(PARAMETERS.map(({ name }, i) => [name, Math.exp(logarithms[i]!)])) as unknown as Costs;
}

/** Least squares of residuals in units of scatter. @returns logarithms of the costs */
function search(rows: readonly ModelRow[], published: readonly number[], start: readonly number[]): number[] {
  const scatter = published.map(scatterOf);
  const { parameterValues } = levenbergMarquardt(
    { x: rows.map((_, i) => i), y: published.map((percent, i) => percent / scatter[i]!) },
    (logarithms) => {
      const costs = costsOf(logarithms);
      return (i) => overheadOf(costs, rows[i]!) / scatter[i]!;
    },
    {
      initialValues: start,
      minValues: PARAMETERS.map(() => Math.log(LEAST)),
      maxValues: PARAMETERS.map(({ name }) => (name === "elidedWrite" ? 0 : Math.log(MOST))),
      damping: 1,
      gradientDifference: 1e-4,
      centralDifference: true,
      maxIterations: 30,
      improvementThreshold: 1e-6,
    },
  );
  return parameterValues;
}

/**
 * Fits the costs to rows.
 * @param rows - what was counted and published; more of them than there are costs
 * @param seed - of the bootstrap
 */
export function fitCosts(rows: readonly Observation[], seed: number): Fit {
  const published = rows.map((row) => row.published);
  const start = PARAMETERS.map(({ start }) => Math.log(start));
  const best = search(rows, published, start);
  const costs = costsOf(best);
  const fitted = rows.map((row) => overheadOf(costs, row));
  const widening = Math.sqrt(rows.length / (rows.length - PARAMETERS.length));
  const raw = rows.map((row, i) => (row.published - fitted[i]!) / scatterOf(row.published));
  const residuals = raw.map((residual) => widening * (residual - mean(raw)));

  const random = new Random(seed, MULBERRY32);
  const samples = Array.from({ length: SAMPLES }, () => {
    const exchanged = fitted.map((percent) => percent + scatterOf(percent) * pick(residuals, random));
    return costsOf(search(rows, exchanged, best));
  });
  return { costs, samples, residuals };
}
