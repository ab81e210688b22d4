/**
 * KUnit suites and attacks on a machine, written against the contracts: they name no architecture and no feature.
 *
 * @module @kpkeys/kunit-suite
 */
export { attack } from "./attack.js";
export type { AttackCount, AttackGap, AttackResult, MachineUnderAttack } from "./attack.js";
export { createKtapReader, readKtap } from "./ktap/reader.js";
export type { KtapReader } from "./ktap/reader.js";
export type { KtapCounts, KtapDocument, KtapError, KtapStatus, KtapTest } from "./ktap/types.js";
export { formatKtap, ktapOf, plainLine, plainName, writeKtap } from "./ktap/writer.js";
export { countResults, runSuites } from "./runner.js";
export type { CaseResult, KunitCounts, SuiteResult } from "./runner.js";
export { filterSuites, shuffleSuites, suitesOf } from "./suites.js";
export type { MachineUnderTest } from "./suites.js";
export type { WrittenValue } from "./suites/attempt.js";
export { hardenedPgtables } from "./suites/hardened-pgtables.js";
export type { HardenedPgtablesCase, HardenedPgtablesOptions } from "./suites/hardened-pgtables.js";
export { lazyMmuMode } from "./suites/lazy-mmu-mode.js";
