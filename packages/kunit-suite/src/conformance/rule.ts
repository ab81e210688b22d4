import type { Plugin } from "@kpkeys/core/contracts";
import type { PackageFiles } from "./package-files.js";

/** A plugin to check, and the other inputs of the rules. */
export interface ConformanceSubject {
  /** The plugin. */
  readonly plugin: Plugin;
  /** The exports of its package, by name. Without them, the rules about exports are skipped. */
  readonly exports?: Readonly<Record<string, unknown>>;
  /** The files of its package. Without them, the rules about imports are skipped. */
  readonly files?: PackageFiles;
  /** The architectures on which a feature is checked. */
  readonly arches: readonly Plugin[];
  /** The features whose suites must pass on an architecture. */
  readonly features: readonly Plugin[];
}

/**
 * Receives the findings of a check.
 *
 * @param finding - one line: the violation, its place, and the expected value
 */
export type ReportFinding = (finding: string) => void;

/**
 * Receives the reason for which a check judged nothing.
 *
 * @param reason - one line: what is missing, of the plugin
 */
export type ReportNothing = (reason: string) => void;

/** A rule that every plugin of a kind must keep. */
export interface ConformanceRule {
  /** Its name, as messages print it: `register/rights`. */
  readonly id: string;
  /** A statement that is true of every plugin that keeps the rule. */
  readonly sentence: string;
  /** The source: a contract, a section of a manual, a patch of the series. */
  readonly source: string;
  /**
   * Decides whether the caller passed no input that the sentence names, or the rule is about another kind of architecture. Default: neither.
   * @param subject - the plugin
   * @returns the reason for skipping the rule; `undefined` if it can be checked
   */
  skip?(subject: ConformanceSubject): string | undefined;
  /**
   * Checks a plugin. An exception counts as a finding.
   * @param subject - the plugin
   * @param report - receives the findings
   * @param notJudged - receives the reason if the check found nothing to judge. With neither, the plugin keeps the rule
   */
  check(subject: ConformanceSubject, report: ReportFinding, notJudged: ReportNothing): void | Promise<void>;
}
