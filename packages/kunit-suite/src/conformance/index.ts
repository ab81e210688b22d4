/**
 * The conformance kit: the rules of architectures and features as data, and the functions that check a plugin. The kit imports no
 * plugin; the caller passes the other plugins that a rule needs. The entry `vitest` makes a test of each rule.
 *
 * @module @kpkeys/kunit-suite/conformance
 */
export type { PackageFiles, PackageImport } from "./package-files.js";
export type { ConformanceRule, ConformanceSubject, ReportFinding, ReportNothing } from "./rule.js";
export { rulesFor } from "./rules.js";
export { checkConformance, checkRule, failureText } from "./runner.js";
export type { KnownErrors, RuleResult } from "./runner.js";
