import { SETTERS } from "@kpkeys/core/contracts";
import { UNIT } from "@kpkeys/workloads/cost";
import { GOALS, missedGoals } from "@kpkeys/workloads/cost/fitting";
import type { BenchmarkCounts, Evaluation, Half, OverheadRow } from "@kpkeys/workloads/cost/fitting";
import type { Style } from "./style.js";
import { layOut } from "./table.js";
import type { Row } from "./table.js";

/**
 * The predictions as CSV: a line for each number of the published table and each fit.
 * @param evaluation - the comparison of the model with the published table
 */
export function overheadCsvOf({ rows }: Evaluation): string {
  const head = ["benchmark", "policy", "published", "predicted", "low", "high", "fitted"] as const;
  const lines = rows.map((row) =>
    head.map((name) => (typeof row[name] === "number" ? row[name].toFixed(2) : row[name])),
  );
  return [head, ...lines].map((cells) => `${cells.join(",")}\n`).join("");
}

/** Columns of the predictions: published, predicted, range, error. */
const PREDICTIONS = { columns: 4, label: 24, column: 16 };

/**
 * The predictions as text: for each fit the rows of the other half, then the costs and the errors.
 * @param evaluation - the comparison of the model with the published table
 * @param style - the colours
 */
export function overheadTextOf(evaluation: Evaluation, style: Style): string {
  const half = evaluation.rows.length / 2;
  const fits: readonly [Half, readonly OverheadRow[]][] = [
    ["even", evaluation.rows.slice(0, half)],
    ["odd", evaluation.rows.slice(half)],
  ];
  return (
    [
      style.bold("Overhead in percent, as published with RFC v5 (corrected) and as predicted from counts"),
      ...fits.map(([fittedOn, rows]) => predictionsOf(fittedOn, rows, style)),
      costsOf(evaluation, style),
      ...errorsOf(evaluation, style),
    ].join("\n\n") + "\n"
  );
}

function predictionsOf(fittedOn: Half, rows: readonly OverheadRow[], style: Style): string {
  const heldOut = rows.filter(({ fitted }) => !fitted);
  const linesOf = (policy: OverheadRow["policy"]): Row[] => [
    [style.bold(policy), ["published", "predicted", "range", "error"]],
    ...heldOut.filter((row) => row.policy === policy).map((row): Row => [`  ${row.benchmark}`, cellsOf(row)]),
  ];
  const other = fittedOn === "even" ? "odd" : "even";
  return layOut(
    [`${other} rows`, `fitted on the ${fittedOn} rows only`],
    [...linesOf("naive"), ...linesOf("batched")],
    {
      ...PREDICTIONS,
    },
  );
}

function cellsOf({ published, predicted, low, high }: OverheadRow): string[] {
  return [
    published.toFixed(2),
    predicted.toFixed(2),
    `${low.toFixed(1)} to ${high.toFixed(1)}`,
    (predicted - published).toFixed(2),
  ];
}

/** Two significant digits, without an exponent. */
function rounded(value: number): string {
  return String(Number(value.toPrecision(2)));
}

/** Columns of the costs: fitted on the even rows and on the odd rows, each with its range. */
const COSTS = { columns: 2, label: 24, column: 16 };

function costsOf({ parameters }: Evaluation, style: Style): string {
  const rows = parameters.map(({ name, values: { even, odd } }): Row => {
    const [byEven, byOdd] = [even, odd].map(({ value, low, high }) => [
      value.toPrecision(3),
      `${rounded(low)} to ${rounded(high)}`,
    ]);
    return [`  ${name}`, byEven!, byOdd!];
  });
  const table = layOut([style.bold("unit costs"), "fit on the even rows", "fit on the odd rows"], rows, COSTS);
  return `${table}\nThe unit is one ${UNIT}: published percentages determine ratios of costs, not nanoseconds.`;
}

function errorsOf(evaluation: Evaluation, style: Style): string[] {
  const { accuracy, bestConstant, rankCorrelation } = evaluation;
  const fits = accuracy.map(
    ({ fittedOn, batchedMedianError, naiveMedianRelativeError, meanError, constant, constantError }) =>
      `Fitted on the ${fittedOn} rows, predicting the others: batched, median error ${batchedMedianError.toFixed(2)} points (goal ` +
      `${GOALS.batchedMedianError}); naive, median error ${naiveMedianRelativeError.toFixed(1)} % of the number (goal ` +
      `${GOALS.naiveMedianRelativeError} %);\nboth, mean error ${meanError.toFixed(1)} points; the best constant, ` +
      `${constant.toFixed(1)}, has ${constantError.toFixed(1)}.`,
  );
  const both =
    `Both fits: mean error ${bestConstant.modelError.toFixed(1)} points; the best constants have ${bestConstant.error.toFixed(1)} ` +
    `(goal: at most half); rank correlation ${rankCorrelation.toFixed(3)} (goal ${GOALS.rankCorrelation}).`;
  const missed = missedGoals(evaluation);
  const verdict =
    missed.length === 0
      ? style.green(
          "All goals are met. The structure of the model was chosen with knowledge of the whole table; its costs were not.",
        )
      : style.red(["Missed:", ...missed.map((line) => `  ${line}`)].join("\n"));
  return [[...fits, both].join("\n"), verdict];
}

/** Columns of the counts: the three policies. */
const COUNTS = { columns: 3, label: 34, column: 14 };

/**
 * The counts of one operation of each benchmark, as text.
 * @param counts - the counts
 * @param style - the colours
 */
export function countsTextOf(counts: readonly BenchmarkCounts[], style: Style): string {
  const names = [...new Set(counts.map(({ benchmark }) => benchmark))];
  const rows = names.flatMap((name): Row[] => {
    const policies = counts.filter(({ benchmark }) => benchmark === name);
    const cells = (of: (counts: BenchmarkCounts["perOperation"]) => number): string[] =>
      policies.map(({ perOperation }) => of(perOperation).toLocaleString("en-US", { maximumFractionDigits: 1 }));
    const setters = SETTERS.filter((setter) => policies.some((row) => row.perOperation.writesBySetter[setter] > 0));
    return [
      [style.bold(name), policies.map(({ policy }) => policy)],
      ...setters.map((setter): Row => [`  ${setter}`, cells((row) => row.writesBySetter[setter])]),
      ...COUNTED.map(([label, field]): Row => [`  ${label}`, cells((row) => row[field])]),
      [""],
    ];
  });
  return layOut(["counts", "per operation"], rows.slice(0, -1), COUNTS) + "\n";
}

const COUNTED = [
  ["register writes", "registerWrites"],
  ["ISBs of kpkeys", "barriers"],
  ["barriers of mainline", "setterBarriers"],
  ["set_memory_pkey calls", "setMemoryPkeyCalls"],
  ["  pages", "setMemoryPkeyPages"],
  ["TLB invalidations", "tlbInvalidations"],
  ["tables allocated", "tablesAllocated"],
  ["tables freed", "tablesFreed"],
  ["context switches", "contextSwitches"],
  ["user faults", "userFaults"],
] as const;
