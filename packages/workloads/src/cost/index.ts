/**
 * The cost model: estimates the system time that the hardening adds to a workload, from the counts of a replay. Imports no Node.js
 * built-in.
 *
 * @module @kpkeys/workloads/cost
 */
export { costFileText, RFC_V5_COSTS } from "./cost-file.js";
export type { CostFile, UnitCosts } from "./cost-file.js";
export { estimateOverhead } from "./estimate.js";
export type { OverheadEstimate } from "./estimate.js";
export { overheadOf, PARAMETERS, UNIT } from "./model.js";
export type { Costs, HardeningCounts, ModelRow, Parameter, ParameterName } from "./model.js";
export type { HardenedPolicy, Policy } from "./policy.js";
