/**
 * Explains why an access faults, and compares a CPU model with architectural vectors. The engine has no rule of any architecture:
 * each exports its rules as data in `ArchTools`.
 *
 * @module @kpkeys/explain
 */
export { explain, explainInputs } from "./explanation/explain.js";
export { Explainer } from "./explanation/explainer.js";
export type {
  DecidingRule,
  ExplainChange,
  ExplainGeometry,
  ExplainInput,
  ExplainKernel,
  ExplainQuestion,
  ExplainVerdict,
  Explanation,
  FaultQuestion,
  Reason,
  ReasonTopic,
  VectorQuestion,
} from "./explanation/explanation.js";
export { LOG_TEXT, readLog } from "./explanation/log.js";
export type { LogReport } from "./explanation/log.js";
export { OopsReader } from "./explanation/oops.js";
export type { FoundInput, OopsReport } from "./explanation/oops.js";
export { Judge } from "./vectors/judge.js";
export { parseVector } from "./vectors/json.js";
export { readVectors, VECTORS_TEXT } from "./vectors/read.js";
export { vectorArches, VectorRunner } from "./vectors/run.js";
export { judgeVector } from "./vectors/verdict.js";
export type { VectorDisagreement, VectorOutcome, VectorVerdict } from "./vectors/verdict.js";
