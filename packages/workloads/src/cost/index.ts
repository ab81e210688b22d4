/**
 * The cost model: what the hardening is estimated to add to the system time of a workload, from the counts of a replay. It has no
 * Node.js built-in.
 *
 * @module @kpkeys/workloads/cost
 */
export { costFileText } from "./cost-file.js";
export type { CostFile, UnitCosts } from "./cost-file.js";
export { estimateOverhead } from "./estimate.js";
export type { OverheadEstimate } from "./estimate.js";
export { overheadOf, PARAMETERS, UNIT } from "./model.js";
export type { Costs, HardeningCounts, ModelRow, Parameter, ParameterName } from "./model.js";
export type { HardenedPolicy, Policy } from "./policy.js";
export { RFC_V5_COSTS } from "./rfc-v5.js";
