/**
 * What a machine is made of when versions are compared: the versions of the kpkeys series and the policies, as data addressed by
 * plugin id.
 *
 * @packageDocumentation
 */
export { machineOptionsOf } from "./machine-options.js";
export type { MachineOptions } from "./machine-options.js";
export { POLICIES } from "./policies.js";
export type { Policy } from "./policies.js";
export { isDocumented, NEXT_LABEL, SERIES, seriesTitle } from "./series.js";
export type { DocumentedGap, Series, SeriesName } from "./series.js";
