/**
 * The bug museum: the bugs in the changelogs of the kpkeys series, each with a red side that shows the bug and a green side that
 * does not. It imports no architecture and no feature: they come from the plugin registry, and policies are data. The entry
 * also exports the kpkeys API of older versions of the series.
 *
 * @module @kpkeys/kunit-suite/museum
 */
export { KPKEYS_PKEY_REG_INVAL } from "./dialects/registers.js";
export type { DialectOptions } from "./dialects/registers.js";
export { createKpkeysV6 } from "./dialects/v6.js";
export type { KpkeysV6 } from "./dialects/v6.js";
export { createKpkeysV7 } from "./dialects/v7.js";
export type { KpkeysV7 } from "./dialects/v7.js";
export type {
  Detector,
  Exhibit,
  Facts,
  FaultFacts,
  Finding,
  KeyRights,
  Policies,
  Scene,
  Side,
  SideName,
  StoreFacts,
} from "./exhibit.js";
export { archesOf, EXHIBITS, findExhibit, replaySide, runSide } from "./museum.js";
export type { SideRun } from "./museum.js";
export { formatReplay, parseReplay } from "./replay-string.js";
export type { SideKey } from "./replay-string.js";
