/**
 * The kernel's KUnit suites, the reader and writer of KTAP, and probe stores to what a feature protects. All of them are written
 * against the contracts and import no architecture and no feature.
 *
 * @module @kpkeys/kunit-suite
 */
export { attack } from "./attack.js";
export type { AttackCount, AttackGap, AttackResult, MachineUnderAttack } from "./attack.js";
export { KtapReader, readKtap } from "./ktap/reader.js";
export type { KtapCounts, KtapDocument, KtapError, KtapStatus, KtapTest } from "./ktap/types.js";
export { formatKtap, ktapOf, writeKtap } from "./ktap/writer.js";
export { countResults, runSuites } from "./runner.js";
export type { CaseResult, KunitCounts, SuiteResult } from "./runner.js";
export { filterSuites, shuffleSuites, suitesOf } from "./suites.js";
export type { MachineUnderTest } from "./suites.js";
export type { WrittenValue } from "./suites/attempt.js";
export { hardenedPgtables } from "./suites/hardened-pgtables.js";
export type { HardenedPgtablesCase, HardenedPgtablesOptions } from "./suites/hardened-pgtables.js";
export { lazyMmuMode } from "./suites/lazy-mmu-mode.js";
