import type { Plugin } from "@kpkeys/core/contracts";
import type { PackageFiles } from "./package-files.js";

/** A plugin with what it is judged with. The kit names no plugin itself, so the others come from whoever runs it. */
export interface ConformanceSubject {
  /** The plugin that is judged. */
  readonly plugin: Plugin;
  /** What its package exports, by name. Left out, the rules about exports are skipped. */
  readonly exports?: Readonly<Record<string, unknown>>;
  /** The package that it comes from. Left out, the rules about imports are skipped. */
  readonly files?: PackageFiles;
  /** The architectures that a feature is judged on. */
  readonly arches: readonly Plugin[];
  /** The features whose suites have to pass on an architecture. */
  readonly features: readonly Plugin[];
}

/**
 * Takes what a check found: one line a finding.
 *
 * @param finding - what is wrong, where, and what was expected
 */
export type ReportFinding = (finding: string) => void;

/** One rule that a plugin has to keep. */
export interface ConformanceRule {
  /** Its name, as a message about a plugin that breaks it says it: `register/rights`. */
  readonly id: string;
  /** What holds of a plugin that keeps it. */
  readonly sentence: string;
  /** Where it comes from: a contract, a section of a manual, a patch of the series. */
  readonly source: string;
  /**
   * Why the rule cannot be judged with what is at hand; `undefined` when it can. Left out, it always can.
   * @param subject - the plugin
   */
  skip?(subject: ConformanceSubject): string | undefined;
  /**
   * Judges a plugin. What it throws counts as a finding.
   * @param subject - the plugin
   * @param report - takes what is wrong; nothing reported means that the rule is kept
   */
  check(subject: ConformanceSubject, report: ReportFinding): void | Promise<void>;
}
