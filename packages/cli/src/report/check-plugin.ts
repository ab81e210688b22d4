import { printable } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import type { RuleResult } from "@kpkeys/kunit-suite/conformance";
import { counted } from "./style.js";
import type { Style } from "./style.js";

/** The result of the conformance kit for one plugin. */
export interface PluginVerdict extends Pick<Plugin, "id" | "kind" | "description"> {
  /** The number of rules by status. */
  readonly counts: Readonly<Record<RuleResult["status"], number>>;
  /** The result of each rule. */
  readonly rules: readonly RuleResult[];
}

/** The document of `kpkeys check-plugin --json`. */
export interface CheckPluginReport {
  /** The path of the command line. */
  readonly path: string;
  /** Name of the package; `null` for a module. */
  readonly package: string | null;
  /** The plugins that it exports. */
  readonly plugins: readonly PluginVerdict[];
  /** Why the package cannot be checked. Absent when it was. */
  readonly error?: {
    /** A code of ERROR_CODES. */
    readonly code: string;
    /** The whole message. */
    readonly message: string;
  };
}

/**
 * Counts the results of the rules.
 * @param plugin - the plugin
 * @param rules - the result of each rule
 */
export function verdictOf({ id, kind, description }: Plugin, rules: readonly RuleResult[]): PluginVerdict {
  const counts = { ok: 0, failed: 0, "not judged": 0, skipped: 0 };
  for (const { status } of rules) counts[status]++;
  return { id, kind, description, counts, rules };
}

/** Widths of the columns of status and rule, in characters. */
const STATUS = "not judged".length;
const RULE = 24;

/**
 * The report as text: a line for each rule; below a broken rule, the findings and the source of the rule.
 * @param report - the report
 * @param style - colours
 */
export function checkPluginTextOf({ plugins }: CheckPluginReport, style: Style): string {
  return plugins.map((plugin) => verdictText(plugin, style)).join("\n");
}

function verdictText({ id, kind, description, counts, rules }: PluginVerdict, style: Style): string {
  const { ok, failed, skipped, "not judged": notJudged } = counts;
  const lines = [
    style.bold(printable(`${id}, ${kind === "arch" ? "an architecture" : "a feature"}: ${description}`)),
    "",
    ...rules.flatMap((result) => ruleLines(result, style)),
    "",
    `${counted(rules.length, "rule")}: ${ok} ok, ${failed} failed, ${notJudged} not judged, ${skipped} skipped`,
  ];
  return `${lines.join("\n")}\n`;
}

function ruleLines({ rule, sentence, source, status, reason, findings, found }: RuleResult, style: Style): string[] {
  const colour = { ok: style.green, failed: style.red, "not judged": style.red, skipped: style.yellow }[status];
  const first = `${colour(status.padEnd(STATUS))}  ${rule.padEnd(RULE)} ${sentence}`;
  const below = (text: string): string => `${" ".repeat(STATUS + 2)}${text}`;
  const details = findings.map((finding) => below(printable(finding)));
  if (reason !== undefined) return [first, below(style.dim(`${status}: ${reason}`))];
  if (status === "ok") return [first];
  const more = found > findings.length ? [below(`and ${found - findings.length} more`)] : [];
  return [first, ...details, ...more, below(style.dim(`source: ${source}`))];
}
