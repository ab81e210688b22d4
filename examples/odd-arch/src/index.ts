/**
 * A plugin for an architecture that is modelled on POWER and does not exist.
 *
 * @packageDocumentation
 */
export { oddArch } from "./plugin.js";
export { AMR } from "./registers.js";
