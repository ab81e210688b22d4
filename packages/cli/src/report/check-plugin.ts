import { printable } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import type { RuleResult } from "@kpkeys/kunit-suite/conformance";
import { counted } from "./style.js";
import type { Style } from "./style.js";

/** What the conformance kit says of a plugin. */
export interface PluginVerdict extends Pick<Plugin, "id" | "kind" | "description"> {
  /** Numbers of rules. */
  readonly counts: Readonly<Record<RuleResult["status"], number>>;
  /** What came of each rule. */
  readonly rules: readonly RuleResult[];
}

/** What `kpkeys check-plugin --json` prints. */
export interface CheckPluginReport {
  /** The path that was given. */
  readonly path: string;
  /** Name of the package; null where a module was given. */
  readonly package: string | null;
  /** The plugins found there. */
  readonly plugins: readonly PluginVerdict[];
  /** Why there are none: the package cannot be judged. Absent when it was. */
  readonly error?: {
    /** A code of ERROR_CODES. */
    readonly code: string;
    /** The whole message. */
    readonly message: string;
  };
}

/**
 * Counts what came of the rules.
 * @param plugin - the plugin
 * @param rules - what came of each rule
 */
export function verdictOf({ id, kind, description }: Plugin, rules: readonly RuleResult[]): PluginVerdict {
  const counts = { ok: 0, failed: 0, skipped: 0 };
  for (const { status } of rules) counts[status]++;
  return { id, kind, description, counts, rules };
}

/** Characters of the longest status and of the column of rules. */
const STATUS = "skipped".length;
const RULE = 24;

/**
 * The report as text: a line for each rule, and below one that is broken what was found and where the rule comes from.
 * @param report - the report
 * @param style - colours
 */
export function checkPluginTextOf({ plugins }: CheckPluginReport, style: Style): string {
  return plugins.map((plugin) => verdictText(plugin, style)).join("\n");
}

function verdictText({ id, kind, description, counts, rules }: PluginVerdict, style: Style): string {
  const { ok, failed, skipped } = counts;
  const lines = [
    style.bold(printable(`${id}, ${kind === "arch" ? "an architecture" : "a feature"}: ${description}`)),
    "",
    ...rules.flatMap((result) => ruleLines(result, style)),
    "",
    `${counted(rules.length, "rule")}: ${ok} ok, ${failed} failed, ${skipped} skipped`,
  ];
  return `${lines.join("\n")}\n`;
}

function ruleLines({ rule, sentence, source, status, reason, findings, found }: RuleResult, style: Style): string[] {
  const colour = { ok: style.green, failed: style.red, skipped: style.yellow }[status];
  const first = `${colour(status.padEnd(STATUS))}  ${rule.padEnd(RULE)} ${sentence}`;
  const below = (text: string): string => `${" ".repeat(STATUS + 2)}${text}`;
  const quoted = findings.map((finding) => below(printable(finding)));
  if (status === "skipped") return [first, below(style.dim(`not judged: ${reason ?? ""}`))];
  if (status === "ok") return [first];
  const more = found > findings.length ? [below(`and ${found - findings.length} more`)] : [];
  return [first, ...quoted, ...more, below(style.dim(`rule of: ${source}`))];
}
