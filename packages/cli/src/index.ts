/**
 * The `kpkeys` command. The exported types describe the JSON documents that it prints.
 *
 * @packageDocumentation
 */
export type {
  ArchReport,
  AttackReport,
  CheckReport,
  CoverageReport,
  Documented,
  GapReport,
  Known,
  MachineName,
  NotKnown,
  PageCounts,
  PolicyReport,
  RunReport,
  StoreCounts,
  TraceReport,
} from "@kpkeys/workloads/report";
export type { CheckPluginReport, PluginVerdict } from "./report/check-plugin.js";
export type { ConformDisagreement, ConformReport, ConformWalkStep } from "./report/conform.js";
export type { ExplainReport } from "./report/explanation.js";
export type { AttacksReport, MachineAttackReport } from "./report/attack.js";
export type { KtapReport } from "./report/ktap.js";
export type { KunitCasesReport, KunitReport, MachineKunitReport } from "./report/kunit.js";
export type { MuseumExhibit, MuseumReplay, MuseumReport, MuseumSide, MuseumSides } from "./report/museum.js";
export type { WhatIfReport } from "./report/what-if.js";
export type { WhatIfRow } from "./overhead/what-if.js";
export type {
  CostFile,
  HardenedPolicy,
  HardeningCounts,
  ModelRow,
  OverheadEstimate,
  ParameterName,
  UnitCosts,
} from "@kpkeys/workloads/cost";
export type {
  Accuracy,
  BenchmarkCounts,
  BestConstant,
  Evaluation,
  FittedCost,
  Half,
  OverheadReport,
  OverheadRow,
  ParameterReport,
} from "@kpkeys/workloads/cost/fitting";
export { defineConfig } from "./plugins/define-config.js";
export type { KpkeysConfig } from "./plugins/define-config.js";
export type { LoadedPlugin } from "./report/plugins.js";
export type { ShowReport } from "./report/show.js";
export type { Demonstration, ShownStore } from "./show/demonstration.js";
export type { EntryRead, Moment, RightsChange } from "./show/moments.js";
export type { Policy, SeriesName } from "@kpkeys/scenarios";
