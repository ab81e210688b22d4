/**
 * The model kernel: makes a machine of a plain JSON specification, boots it, and serves the contracts of `@kpkeys/core`.
 *
 * @packageDocumentation
 */
export { buildMachine } from "./build.js";
export { coverageOf, expectsTables } from "./coverage.js";
export type { Coverage, CoverageCount, CoverageGap, ObjectCount } from "./coverage.js";
export { KernelFault } from "./kernel-fault.js";
export type { Machine, MachineCounters } from "./machine.js";
export type { KernelPolicies } from "./policies.js";
export { digestTables } from "./scanner.js";
export type { PageAlias, ScannedObject, ScannedTable } from "./scanner.js";
export type { TableWatch } from "./table-watch.js";
export { BANK_ALIGNMENT, checkSpec, DEFAULT_SPEC, MINIMUM_MEMORY } from "./spec.js";
export type { BankSpec, MachineSpec } from "./spec.js";
