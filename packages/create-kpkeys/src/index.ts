/**
 * `npm create kpkeys`: packages for the kpkeys laboratory, made of its worked examples.
 *
 * @packageDocumentation
 */
export { createPackage, KINDS } from "./create.js";
export type { Kind } from "./create.js";
