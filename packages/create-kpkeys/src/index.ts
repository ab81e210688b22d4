/**
 * `npm create kpkeys`: creates packages for kpkeys from its worked examples.
 *
 * @packageDocumentation
 */
export { createPackage, KINDS } from "./create.js";
export type { Kind } from "./create.js";
