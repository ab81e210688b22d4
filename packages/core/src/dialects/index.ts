/**
 * The kpkeys API in the words of older versions of the series, apart from the main API: façades for readers of those versions, with
 * the traps that they had.
 *
 * @packageDocumentation
 */
export { KPKEYS_PKEY_REG_INVAL } from "./registers.js";
export type { DialectOptions } from "./registers.js";
export { createKpkeysV6 } from "./v6.js";
export type { KpkeysV6 } from "./v6.js";
export { createKpkeysV7 } from "./v7.js";
export type { KpkeysV7 } from "./v7.js";
