/**
 * A plugin for an architecture that does not exist and keeps keys with frames.
 *
 * @packageDocumentation
 */
export { frameKeys } from "./plugin.js";
export { SKR } from "./registers.js";
