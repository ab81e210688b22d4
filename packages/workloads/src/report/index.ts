/**
 * The report of a replay: builds the document of `kpkeys run --json` from the results of each machine. Imports no Node.js built-in.
 *
 * @module @kpkeys/workloads/report
 */
export type {
  ArchReport,
  AttackReport,
  BootReport,
  CheckReport,
  CountedCost,
  CoverageReport,
  Documented,
  GapPlace,
  GapReport,
  Known,
  MachineName,
  NotKnown,
  PageCounts,
  PolicyReport,
  RunReport,
  StoreCounts,
  TraceReport,
} from "./document.js";
export type {
  AttackCount,
  AttackFindings,
  AttackGap,
  CheckedFindings,
  KunitCounts,
  MachineFindings,
} from "./findings.js";
export { reportOf, withDocumented } from "./make.js";
export type { Column, Pricing, WithGaps } from "./make.js";
export { isUnknown, NOTHING, unknownOf, withUnknown } from "./unknown.js";
export type { Unknown } from "./unknown.js";
