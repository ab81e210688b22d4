/**
 * The conformance kit: the rules that an architecture or a feature has to keep, as data, and what judges a plugin by them. It names
 * no plugin; whoever runs it brings the others that are needed. For vitest there is the entry `vitest`.
 *
 * @module @kpkeys/kunit-suite/conformance
 */
export type { PackageFiles, PackageImport } from "./package-files.js";
export type { ConformanceRule, ConformanceSubject, ReportFinding } from "./rule.js";
export { rulesFor } from "./rules.js";
export { checkConformance, checkRule, failureText } from "./runner.js";
export type { RuleResult } from "./runner.js";
