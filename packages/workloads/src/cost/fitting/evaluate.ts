import { MULBERRY32, Random } from "@kpkeys/core";
import type { BenchmarkCounts } from "./benchmarks.js";
import { fitCosts, scatterOf } from "./fit.js";
import type { Fit, Observation } from "./fit.js";
import { overheadOf, PARAMETERS, spreadOfFaults, UNIT } from "../model.js";
import type { ParameterName } from "../model.js";
import type { HardenedPolicy } from "../policy.js";
import { PUBLISHED } from "./published.js";
import { mean, median, pick, rangeOf, rankCorrelation } from "../statistics.js";

/** Which rows of the table a fit knows: those with even numbers or with odd ones, counted from 1. */
export type Half = "even" | "odd";

/** One number of the published table, and the model's. */
export interface OverheadRow {
  /** The benchmark. */
  readonly benchmark: string;
  /** Without batching or with it. */
  readonly policy: HardenedPolicy;
  /** Percent, as published. */
  readonly published: number;
  /** Percent, by the model. */
  readonly predicted: number;
  /** 5th percentile of the prediction. */
  readonly low: number;
  /** 95th percentile. */
  readonly high: number;
  /** Whether the fit knew the row; if not, it is a prediction. */
  readonly fitted: boolean;
}

/** How far off a fit is on the rows that it did not know. */
export interface Accuracy {
  /** The rows that it knew. */
  readonly fittedOn: Half;
  /** Median of the absolute errors with batching, in percentage points. */
  readonly batchedMedianError: number;
  /** Median of the errors without batching, each relative to what was published, in percent. */
  readonly naiveMedianRelativeError: number;
  /** Mean of the absolute errors of both, in percentage points. */
  readonly meanError: number;
  /** The constant that comes nearest to these very rows: their median. */
  readonly constant: number;
  /** Its mean absolute error on them, in percentage points. */
  readonly constantError: number;
}

/** The value of a fitted cost by one half of the table. */
export interface FittedCost {
  /** The value that fits best. */
  readonly value: number;
  /** 5th percentile of the resampled fits. */
  readonly low: number;
  /** 95th percentile. */
  readonly high: number;
}

/** The best constant guess beside the model: mean absolute errors over all rows not fitted, both ways, in percentage points. */
export interface BestConstant {
  /** Of the constants that come nearest to the rows predicted. */
  readonly error: number;
  /** Of the model. */
  readonly modelError: number;
}

/** A fitted cost. */
export interface ParameterReport {
  /** Its name. */
  readonly name: ParameterName;
  /** What it is measured in. */
  readonly unit: string;
  /** What it is the time of. */
  readonly meaning: string;
  /** Its value by each half of the table. */
  readonly values: Readonly<Record<Half, FittedCost>>;
}

/** The model held against the published table, both ways round. */
export interface Evaluation {
  /** All rows by the fit on the even ones, then by the fit on the odd ones. */
  readonly rows: readonly OverheadRow[];
  /** The best constant guess, whose error the model has to halve. */
  readonly bestConstant: BestConstant;
  /** The costs. */
  readonly parameters: readonly ParameterReport[];
  /** Errors on the rows not fitted, one entry a way. */
  readonly accuracy: readonly Accuracy[];
  /** Spearman's rank correlation of published and predicted over all rows not fitted, both ways. */
  readonly rankCorrelation: number;
}

/** What the predictions are held to. */
export const GOALS = {
  /** Most percentage points that the batched median may be off. */
  batchedMedianError: 3,
  /** Most percent that the naive median may be off. */
  naiveMedianRelativeError: 25,
  /** Most of the best constant's error that the model's may be. */
  shareOfConstant: 0.5,
  /** Least rank correlation. */
  rankCorrelation: 0.9,
} as const;

/** A number of the table with its place. */
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
  /** The fit to each half of the table. */
  readonly fits: Readonly<Record<Half, Fit>>;
}

/**
 * Fits each half of the published table and predicts the other.
 * @param counts - what the benchmarks' runs counted: every benchmark of the table, with both policies
 * @param seed - of the bootstrap
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

/** A prediction with its range: of resampled costs, of the system time of a fault, and of what a row is off by besides. */
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
 * Holds an evaluation to {@link GOALS}.
 * @param evaluation - the evaluation
 * @returns a sentence for each goal that is missed
 */
export function missedGoals({ accuracy, bestConstant, rankCorrelation }: Evaluation): string[] {
  const missed: string[] = [];
  for (const { fittedOn, batchedMedianError, naiveMedianRelativeError } of accuracy) {
    if (batchedMedianError > GOALS.batchedMedianError)
      missed.push(
        `fitted on the ${fittedOn} rows, the batched median is off by ${batchedMedianError.toFixed(1)} points`,
      );
    if (naiveMedianRelativeError > GOALS.naiveMedianRelativeError)
      missed.push(
        `fitted on the ${fittedOn} rows, the naive median is off by ${naiveMedianRelativeError.toFixed(0)} %`,
      );
  }
  if (bestConstant.modelError > GOALS.shareOfConstant * bestConstant.error)
    missed.push("the model's error is more than half that of the best constant guess");
  if (rankCorrelation < GOALS.rankCorrelation) missed.push(`rank correlation ${rankCorrelation.toFixed(2)}`);
  return missed;
}
