/**
 * KUnit suites and attacks on a machine, written against the contracts: they name no architecture and no feature.
 *
 * @packageDocumentation
 */
export { attack } from "./attack.js";
export type { AttackCount, AttackGap, AttackResult, MachineUnderAttack } from "./attack.js";
export { formatKtap } from "./ktap.js";
export { countResults, runSuites, suitesOf } from "./runner.js";
export type { CaseResult, KunitCounts, MachineUnderTest, SuiteResult } from "./runner.js";
export { hardenedPgtables } from "./suites/hardened-pgtables.js";
