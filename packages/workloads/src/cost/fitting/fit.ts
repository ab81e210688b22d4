import { MULBERRY32, Random } from "@kpkeys/core";
import { levenbergMarquardt } from "ml-levenberg-marquardt";
import { overheadOf, PARAMETERS } from "../model.js";
import type { Costs, ModelRow } from "../model.js";
import { mean, pick } from "../statistics.js";

/** A row of the model with its published overhead. */
export interface Observation extends ModelRow {
  /** Published overhead in percent. */
  readonly published: number;
}

/** Costs fitted to rows, with their uncertainty. */
export interface Fit {
  /** The best fit. */
  readonly costs: Costs;
  /** Bootstrap: costs fitted to the same rows with resampled residuals. */
  readonly samples: readonly Costs[];
  /** Residuals of the rows in units of their scatter, centred on 0 and widened by the degrees of freedom. */
  readonly residuals: readonly number[];
}

/**
 * The assumed error of a number of the table: one percentage point, because the table has values down to -2 that no cost explains, plus
 * a tenth of the number for the error of the model's form.
 * @param percent - the number
 * @returns percentage points
 */
export function scatterOf(percent: number): number {
  return 1 + 0.1 * Math.abs(percent);
}

/** Number of resampled fits: enough for stable 5th and 95th percentiles. */
const SAMPLES = 200;

/** Bounds of every cost. The elided write has the upper bound 1: it cannot cost more than a write with its ISB. */
const LEAST = 0.01;
const MOST = 1000;

/** The search uses the logarithms of the costs, so that the costs stay positive. */
function costsOf(logarithms: readonly number[]): Costs {
  return Object.fromEntries(PARAMETERS.map(({ name }, i) => [name, Math.exp(logarithms[i]!)])) as unknown as Costs;
}

/** Least squares of the residuals in units of {@link scatterOf}. @returns logarithms of the costs */
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
 * @param rows - the observations; more than there are costs
 * @param seed - seed of the bootstrap
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
    const resampled = fitted.map((percent) => percent + scatterOf(percent) * pick(residuals, random));
    return costsOf(search(rows, resampled, best));
  });
  return { costs, samples, residuals };
}
