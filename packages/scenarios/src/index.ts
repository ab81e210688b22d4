/**
 * The versions of the kpkeys series and the hardening policies: plugin options by plugin id, and kernel policies.
 *
 * @packageDocumentation
 */
export { machineOptionsOf } from "./machine-options.js";
export type { MachineOptions } from "./machine-options.js";
export { POLICIES } from "./policies.js";
export type { Policy } from "./policies.js";
export { isDocumented, NEXT_LABEL, SERIES, seriesTitle } from "./series.js";
export type { DocumentedGap, Series, SeriesName } from "./series.js";
