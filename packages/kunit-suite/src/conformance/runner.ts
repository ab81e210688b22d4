import type { ConformanceRule, ConformanceSubject } from "./rule.js";
import { rulesFor } from "./rules.js";

/** Most findings of one rule that are kept: one mistake may show in every entry of a table. */
const MOST_FINDINGS = 10;

/** What came of a rule. */
export interface RuleResult {
  /** The rule's name. */
  readonly rule: string;
  /** What it asks for. */
  readonly sentence: string;
  /** Where it comes from. */
  readonly source: string;
  /** Whether the plugin keeps it; `skipped` when it could not be judged. */
  readonly status: "ok" | "failed" | "skipped";
  /** Why it was skipped. */
  readonly reason?: string;
  /** What is wrong, each in one line; the first 10 if there are more. */
  readonly findings: readonly string[];
  /** How many findings there were. */
  readonly found: number;
}

/**
 * Judges a plugin by one rule.
 *
 * @param rule - the rule
 * @param subject - the plugin with what it is judged with
 * @returns what came of it
 */
export async function checkRule(rule: ConformanceRule, subject: ConformanceSubject): Promise<RuleResult> {
  const { id, sentence, source } = rule;
  const reason = rule.skip?.(subject);
  if (reason !== undefined) return { rule: id, sentence, source, status: "skipped", reason, findings: [], found: 0 };
  const findings = new Set<string>();
  try {
    await rule.check(subject, (finding) => void findings.add(finding));
  } catch (error) {
    findings.add(`it throws: ${error instanceof Error ? error.message : String(error)}`);
  }
  const status = findings.size === 0 ? "ok" : "failed";
  return { rule: id, sentence, source, status, findings: [...findings].slice(0, MOST_FINDINGS), found: findings.size };
}

/**
 * Judges a plugin by all rules of its kind.
 *
 * @param subject - the plugin with what it is judged with
 * @param onResult - told of each rule when it has been judged
 * @returns what came of each rule, in their order
 *
 * @example
 * ```ts
 * import { x86Pks } from "@kpkeys/arch-x86-pks";
 * import { checkConformance } from "@kpkeys/kunit-suite/conformance";
 * import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
 *
 * const results = await checkConformance({ plugin: x86Pks, arches: [], features: [pgtablesHardening] });
 * console.log(results.filter(({ status }) => status === "failed").length); // 0
 * console.log(results.find(({ status }) => status === "skipped")?.reason); // the exports of its package are not at hand
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
 * A broken rule in words: its name, what it asks for, and what was found.
 *
 * @param result - of a rule that was broken
 */
export function failureText({ rule, sentence, findings, found, source }: RuleResult): string {
  const more = found > findings.length ? [`and ${found - findings.length} more`] : [];
  return [`${rule}: ${sentence} (${source})`, ...findings, ...more].join("\n  ");
}
