/**
 * A plugin for an architecture that does not exist.
 *
 * @packageDocumentation
 */
export { oddArch } from "./plugin.js";
export { KPR } from "./registers.js";
