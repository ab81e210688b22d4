import { MULBERRY32, Random } from "@kpkeys/core";
import type { BenchmarkCounts } from "./benchmarks.js";
import { fitCosts, scatterOf } from "./fit.js";
import type { Fit, Observation } from "./fit.js";
import { overheadOf, PARAMETERS, spreadOfFaults, UNIT } from "../model.js";
import type { ParameterName } from "../model.js";
import type { HardenedPolicy } from "../policy.js";
import { PUBLISHED } from "./published.js";
import { mean, median, pick, rangeOf, rankCorrelation } from "../statistics.js";

/** The rows that a fit uses: those with even or with odd numbers, counted from 1. */
export type Half = "even" | "odd";

/** One number of the published table and the model's number for it. */
export interface OverheadRow {
  /** The benchmark. */
  readonly benchmark: string;
  /** The policy. */
  readonly policy: HardenedPolicy;
  /** Published overhead in percent. */
  readonly published: number;
  /** The model's overhead in percent. */
  readonly predicted: number;
  /** 5th percentile of the prediction. */
  readonly low: number;
  /** 95th percentile. */
  readonly high: number;
  /** Whether the fit used the row; false for a prediction. */
  readonly fitted: boolean;
}

/** The errors of a fit on the rows that it did not use. */
export interface Accuracy {
  /** The rows that the fit used. */
  readonly fittedOn: Half;
  /** Median of the absolute errors with batching, in percentage points. */
  readonly batchedMedianError: number;
  /** Median of the errors without batching, each in percent of the published number. */
  readonly naiveMedianRelativeError: number;
  /** Mean of the absolute errors of both, in percentage points. */
  readonly meanError: number;
  /** The best constant prediction of these rows: their median. */
  readonly constant: number;
  /** Mean absolute error of that constant, in percentage points. */
  readonly constantError: number;
}

/** The value of a cost, fitted to one half of the table. */
export interface FittedCost {
  /** The best fit. */
  readonly value: number;
  /** 5th percentile of the resampled fits. */
  readonly low: number;
  /** 95th percentile. */
  readonly high: number;
}

/** The model compared with the best constant: mean absolute errors over the predicted rows of both fits, in percentage points. */
export interface BestConstant {
  /** Error of the best constants. */
  readonly error: number;
  /** Error of the model. */
  readonly modelError: number;
}

/** A fitted cost. */
export interface ParameterReport {
  /** Its name. */
  readonly name: ParameterName;
  /** Its unit. */
  readonly unit: string;
  /** The operation that has this cost. */
  readonly meaning: string;
  /** Its value, fitted to each half of the table. */
  readonly values: Readonly<Record<Half, FittedCost>>;
}

/** The model compared with the published table: a fit to the even rows and a fit to the odd rows. */
export interface Evaluation {
  /** All rows by the fit to the even rows, then all rows by the fit to the odd rows. */
  readonly rows: readonly OverheadRow[];
  /** Comparison with the best constant. */
  readonly bestConstant: BestConstant;
  /** The costs. */
  readonly parameters: readonly ParameterReport[];
  /** Errors on the predicted rows, one entry per fit. */
  readonly accuracy: readonly Accuracy[];
  /** Spearman's rank correlation of published and predicted numbers over the predicted rows of both fits. */
  readonly rankCorrelation: number;
}

/** Limits for the predictions. */
export const GOALS = {
  /** Maximum of {@link Accuracy.batchedMedianError}, in percentage points. */
  batchedMedianError: 3,
  /** Maximum of {@link Accuracy.naiveMedianRelativeError}, in percent. */
  naiveMedianRelativeError: 25,
  /** Maximum of the model's error divided by the best constant's error. */
  shareOfConstant: 0.5,
  /** Minimum of {@link Evaluation.rankCorrelation}. */
  rankCorrelation: 0.9,
} as const;

/** A number of the table with its place in it. */
interface Place extends Observation {
  readonly benchmark: string;
  readonly policy: HardenedPolicy;
  readonly half: Half;
}

const POLICIES: readonly HardenedPolicy[] = ["naive", "batched"];
const HALVES: readonly Half[] = ["even", "odd"];

function placesOf(counts: readonly BenchmarkCounts[]): Place[] {
  return PUBLISHED.flatMap(({ benchmark, percent }, index) =>
    POLICIES.map((policy): Place => {
      const row = counts.find((row) => row.benchmark === benchmark && row.policy === policy)!;
      return { ...row.model, benchmark, policy, half: index % 2 === 1 ? "even" : "odd", published: percent[policy] };
    }),
  );
}

/** The result of {@link evaluate}. */
export interface Evaluated {
  /** The evaluation. */
  readonly evaluation: Evaluation;
  /** The two fits. */
  readonly fits: Readonly<Record<Half, Fit>>;
}

/**
 * Fits the model to each half of the published table and predicts the other half.
 * @param counts - the counts of every benchmark of the table under both policies
 * @param seed - seed of the bootstrap
 * @returns the evaluation and the fits
 */
export function evaluate(counts: readonly BenchmarkCounts[], seed: number): Evaluated {
  const places = placesOf(counts);
  const fitOf = (half: Half): Fit =>
    fitCosts(
      places.filter((place) => place.half === half),
      seed,
    );
  const fits = { even: fitOf("even"), odd: fitOf("odd") };
  const byHalf = HALVES.map((half) => ({ half, rows: places.map((place) => rowOf(place, half, fits[half], seed)) }));
  const rows = byHalf.flatMap(({ rows }) => rows);
  const heldOut = rows.filter(({ fitted }) => !fitted);
  const accuracy = byHalf.map(({ half, rows }) =>
    accuracyOf(
      half,
      rows.filter(({ fitted }) => !fitted),
    ),
  );
  const evaluation: Evaluation = {
    rows,
    bestConstant: {
      error: mean(accuracy.map(({ constantError }) => constantError)),
      modelError: mean(accuracy.map(({ meanError }) => meanError)),
    },
    parameters: PARAMETERS.map(({ name, meaning }) => ({ name, unit: UNIT, meaning, values: valuesOf(name, fits) })),
    accuracy,
    rankCorrelation: rankCorrelation(
      heldOut.map(({ published }) => published),
      heldOut.map(({ predicted }) => predicted),
    ),
  };
  return { evaluation, fits };
}

/** A prediction. Its range includes the resampled costs, the system time per fault and the residuals of the fit. */
function rowOf(place: Place, half: Half, { costs, samples, residuals }: Fit, seed: number): OverheadRow {
  const random = new Random(seed, MULBERRY32);
  const drawn = samples.map((sample) => {
    const userFaults = place.work.userFaults * spreadOfFaults(random);
    const percent = overheadOf(sample, { ...place, work: { ...place.work, userFaults } });
    return percent + scatterOf(percent) * pick(residuals, random);
  });
  const { benchmark, policy, published } = place;
  const predicted = overheadOf(costs, place);
  return { benchmark, policy, published, predicted, ...rangeOf(drawn), fitted: place.half === half };
}

function valuesOf(name: ParameterName, fits: Readonly<Record<Half, Fit>>): ParameterReport["values"] {
  const valueOf = ({ costs, samples }: Fit): FittedCost => ({
    value: costs[name],
    ...rangeOf(samples.map((sample) => sample[name])),
  });
  return { even: valueOf(fits.even), odd: valueOf(fits.odd) };
}

function accuracyOf(fittedOn: Half, rows: readonly OverheadRow[]): Accuracy {
  const error = ({ published, predicted }: OverheadRow): number => Math.abs(predicted - published);
  const of = (policy: HardenedPolicy): OverheadRow[] => rows.filter((row) => row.policy === policy);
  const constant = median(rows.map(({ published }) => published));
  return {
    fittedOn,
    batchedMedianError: median(of("batched").map(error)),
    naiveMedianRelativeError: median(of("naive").map((row) => (100 * error(row)) / Math.abs(row.published))),
    meanError: mean(rows.map(error)),
    constant,
    constantError: mean(rows.map(({ published }) => Math.abs(published - constant))),
  };
}

/**
 * Compares an evaluation with {@link GOALS}.
 * @param evaluation - the evaluation
 * @returns a clause for each goal that is missed
 */
export function missedGoals({ accuracy, bestConstant, rankCorrelation }: Evaluation): string[] {
  const missed: string[] = [];
  for (const { fittedOn, batchedMedianError, naiveMedianRelativeError } of accuracy) {
    if (batchedMedianError > GOALS.batchedMedianError)
      missed.push(`fitted to the ${fittedOn} rows: median error with batching ${batchedMedianError.toFixed(1)} points`);
    if (naiveMedianRelativeError > GOALS.naiveMedianRelativeError)
      missed.push(
        `fitted to the ${fittedOn} rows: median error without batching ${naiveMedianRelativeError.toFixed(0)} %`,
      );
  }
  if (bestConstant.modelError > GOALS.shareOfConstant * bestConstant.error)
    missed.push("the model's error is more than half of the best constant's");
  if (rankCorrelation < GOALS.rankCorrelation) missed.push(`rank correlation ${rankCorrelation.toFixed(2)}`);
  return missed;
}
