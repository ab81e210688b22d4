/**
 * The fit of the cost model to the overhead table of RFC v5: one half of the table is fitted, the other half is predicted. Imports no
 * Node.js built-in. It is a separate entry so that a page or a command that only estimates does not load the solver.
 *
 * @module @kpkeys/workloads/cost/fitting
 */
export { benchmarkCounts } from "./benchmarks.js";
export type { BenchmarkCounts, BenchmarkRun } from "./benchmarks.js";
export { evaluate, GOALS, missedGoals } from "./evaluate.js";
export type {
  Accuracy,
  BestConstant,
  Evaluated,
  Evaluation,
  FittedCost,
  Half,
  OverheadRow,
  ParameterReport,
} from "./evaluate.js";
export { fitCosts } from "./fit.js";
export type { Fit, Observation } from "./fit.js";
export { costFileOf } from "./fitted-costs.js";
export { PUBLISHED } from "./published.js";
export type { PublishedRow } from "./published.js";
export { overheadReportOf } from "./overhead-report.js";
export type { OverheadReport } from "./overhead-report.js";
