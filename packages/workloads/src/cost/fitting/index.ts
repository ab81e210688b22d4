/**
 * The fit of the cost model to the published table of RFC v5: half of it fitted, the other half predicted. It has no Node.js built-in.
 * It is apart from the model because a page or a command that only estimates loads no solver.
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
