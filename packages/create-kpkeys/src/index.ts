/**
 * `npm create kpkeys`: creates packages for kpkeys from its worked examples.
 *
 * @packageDocumentation
 */
export { createPackage } from "./create.js";
export { KINDS } from "./kinds.js";
export type { Kind } from "./kinds.js";
