/**
 * The arm64 architecture of kpkeys: permission overlays (POR_EL1, POR_EL0), indirect permissions and VMSAv8-64 stage 1
 * translation. A machine uses the plugin {@link arm64Poe}. The other exports are its parts, for tests and tools without a machine.
 *
 * @packageDocumentation
 */
export { ARM64_FORMAT, createFormat } from "./format.js";
export { ARM64_GEOMETRIES } from "./geometry.js";
export type { Arm64Geometry } from "./geometry.js";
export { createPgtable } from "./pgtable.js";
export { arm64Poe } from "./plugin.js";
export { createSystemRegisters, POR_EL1 } from "./registers.js";
export type { Arm64SystemRegisters, Controls } from "./registers.js";
