/**
 * The bug museum: the bugs of the kpkeys series' own changelogs, each with a red side that shows it and a green one that does
 * not. It names no architecture and no feature by its code: those come as plugins, policies as data. With it comes the kpkeys API as
 * older versions of the series had it, with the traps that it had.
 *
 * @module @kpkeys/kunit-suite/museum
 */
export { KPKEYS_PKEY_REG_INVAL } from "./dialects/registers.js";
export type { DialectOptions } from "./dialects/registers.js";
export { createKpkeysV6 } from "./dialects/v6.js";
export type { KpkeysV6 } from "./dialects/v6.js";
export { createKpkeysV7 } from "./dialects/v7.js";
export type { KpkeysV7 } from "./dialects/v7.js";
export type { Detector, Exhibit, Finding, Policies, Scene, Side, SideName } from "./exhibit.js";
export { archesOf, EXHIBITS, findExhibit, replaySide, runSide } from "./museum.js";
export type { SideRun } from "./museum.js";
export { formatReplay, parseReplay } from "./replay-string.js";
export type { SideKey } from "./replay-string.js";
