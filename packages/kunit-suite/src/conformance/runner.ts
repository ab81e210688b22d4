import type { ConformanceRule, ConformanceSubject } from "./rule.js";
import { rulesFor } from "./rules.js";

/** Most findings of a rule that are kept: one bug may show in every entry of a table. */
const MOST_FINDINGS = 10;

/** The result of a rule. */
export interface RuleResult {
  /** The rule's name. */
  readonly rule: string;
  /** The rule. */
  readonly sentence: string;
  /** Its source. */
  readonly source: string;
  /** Whether the plugin keeps the rule; `skipped` if an input is missing. */
  readonly status: "ok" | "failed" | "skipped";
  /** The reason for skipping it. */
  readonly reason?: string;
  /** The first 10 findings, each in one line. */
  readonly findings: readonly string[];
  /** Number of all findings. */
  readonly found: number;
}

/**
 * Checks a plugin by one rule.
 *
 * @param rule - the rule
 * @param subject - the plugin and the other inputs
 */
export async function checkRule(rule: ConformanceRule, subject: ConformanceSubject): Promise<RuleResult> {
  const { id, sentence, source } = rule;
  const findings = new Set<string>();
  try {
    const reason = rule.skip?.(subject);
    if (reason !== undefined) return { rule: id, sentence, source, status: "skipped", reason, findings: [], found: 0 };
    await rule.check(subject, (finding) => void findings.add(finding));
  } catch (error) {
    findings.add(`the check throws: ${error instanceof Error ? error.message : String(error)}`);
  }
  const status = findings.size === 0 ? "ok" : "failed";
  return { rule: id, sentence, source, status, findings: [...findings].slice(0, MOST_FINDINGS), found: findings.size };
}

/**
 * Checks a plugin by all rules of its kind.
 *
 * @param subject - the plugin and the other inputs
 * @param onResult - called with the result of each rule
 * @returns the results, in the order of the rules
 *
 * @example
 * ```ts
 * import { x86Pks } from "@kpkeys/arch-x86-pks";
 * import { checkConformance } from "@kpkeys/kunit-suite/conformance";
 * import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
 *
 * const results = await checkConformance({ plugin: x86Pks, arches: [], features: [pgtablesHardening] });
 * console.log(results.filter(({ status }) => status === "failed").length); // 0
 * console.log(results.find(({ status }) => status === "skipped")?.reason); // the exports of its package were not passed
 * ```
 */
export async function checkConformance(
  subject: ConformanceSubject,
  onResult: (result: RuleResult) => void = () => undefined,
): Promise<readonly RuleResult[]> {
  const results: RuleResult[] = [];
  for (const rule of rulesFor(subject.plugin.kind)) {
    const result = await checkRule(rule, subject);
    results.push(result);
    onResult(result);
  }
  return results;
}

/**
 * Prints a broken rule: its name, the rule, its source and the findings.
 *
 * @param result - a result with the status `failed`
 */
export function failureText({ rule, sentence, findings, found, source }: RuleResult): string {
  const more = found > findings.length ? [`and ${found - findings.length} more`] : [];
  return [`${rule}: ${sentence} (${source})`, ...findings, ...more].join("\n  ");
}
