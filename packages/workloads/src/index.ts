/**
 * Recordings and micro-benchmarks as operations of the model kernel. Imports no Node.js built-in; `@kpkeys/workloads/node` reads files.
 *
 * @module @kpkeys/workloads
 */
export { type KernelWork, type MicroBenchmark, type MicroResult, type MicroRun } from "./micro/benchmark.js";
export { NO_WORK, runMicro } from "./micro/benchmark.js";
export { MICROMM } from "./micro/micromm.js";
export { TEST_VMALLOC } from "./micro/vmalloc.js";
export { type Exposure, ExposureProbe, type OpenedBy } from "./exposure/probe.js";
export { argPage, argSigned, argUnsigned, EventKind, type EventName, isErrno, TraceEvent } from "./reader/event.js";
export { eventNames, tracepointNames } from "./reader/formats.js";
export { CUT_LINE, FAULT_WITHOUT_ADDRESS, type KindCounts, type LineCounts } from "./reader/ledger.js";
export { type InputBytes, openText } from "./reader/input-text.js";
export { type Recording, recordingOf } from "./reader/recording.js";
export { type TraceForm } from "./reader/text-form.js";
export { type ReadTraceOptions, TraceReader, type TraceSummary } from "./reader/trace-reader.js";
export { parseVmpte, type VmpteRecord } from "./reader/vmpte.js";
export type { Agreement, Difference } from "./replay/agreement.js";
export { SAMPLE_EVENTS } from "./replay/check.js";
export type { CheckMode, CheckResult, FoundGap } from "./replay/check.js";
export type { Until } from "./replay/extent.js";
export type { Lack, LackKind } from "./replay/lacks.js";
export { replayTrace } from "./replay/replay.js";
export type { ReplayOptions, ReplayResult } from "./replay/replay.js";
export type { SampleCounts, SampleOptions } from "./replay/sample.js";
export type { FaultCounts } from "./replay/user-faults.js";
