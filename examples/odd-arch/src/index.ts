/**
 * An architecture that does not exist, as a plugin for the kpkeys laboratory.
 *
 * @packageDocumentation
 */
export { oddArch } from "./plugin.js";
export { KPR } from "./registers.js";
