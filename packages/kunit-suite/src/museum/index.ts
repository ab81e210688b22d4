/**
 * The bug museum: the bugs of the kpkeys series' own changelogs, each with a red side that shows it and a green one that does
 * not. It names no architecture and no feature by its code: those come as plugins, policies as data.
 *
 * @packageDocumentation
 */
export type { Detector, Exhibit, Finding, Policies, Scene, Side, SideName } from "./exhibit.js";
export { archesOf, EXHIBITS, findExhibit, replaySide, runSide } from "./museum.js";
export type { SideRun } from "./museum.js";
export { formatReplay, parseReplay } from "./replay-string.js";
export type { SideKey } from "./replay-string.js";
