/**
 * The model kernel: builds a machine from a plain JSON specification, boots it, and implements the contracts of `@kpkeys/core`.
 *
 * @packageDocumentation
 */
export { buildMachine } from "./machine/build.js";
export { coverageOf, expectsTables } from "./audit/coverage.js";
export type { Opening } from "./audit/openings.js";
export type { Coverage, CoverageCount, CoverageGap, ObjectCount } from "./audit/coverage.js";
export { KernelFault } from "./entry/kernel-fault.js";
export type { Machine, MachineCounters } from "./machine/machine.js";
export type { KernelPolicies } from "./machine/policies.js";
export { digestTables } from "./audit/scanner.js";
export type { FoundTable, PageAlias, ScannedObject, ScannedTable } from "./audit/scanner.js";
export type { TableWatch } from "./audit/table-watch.js";
export { BANK_ALIGNMENT, checkSpec, DEFAULT_SPEC } from "./machine/spec.js";
export type { BankSpec, MachineSpec } from "./machine/spec.js";
