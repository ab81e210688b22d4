/**
 * The report of a replay: the document that `kpkeys run --json` prints, made from what was found out about each machine. It has no
 * Node.js built-in.
 *
 * @module @kpkeys/workloads/report
 */
export type {
  ArchReport,
  AttackReport,
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
