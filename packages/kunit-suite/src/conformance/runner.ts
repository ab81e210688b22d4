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
  /**
   * Whether the plugin keeps the rule.
   *
   * - `ok` — it keeps the rule
   * - `failed` — it breaks the rule; see `findings`
   * - `not judged` — there was nothing to judge: no object, no suite of the feature, a machine that does not boot. Not a pass
   * - `skipped` — the caller did not pass an input that the sentence names, such as the files, or the rule is about another kind of
   *   architecture
   */
  readonly status: "ok" | "failed" | "not judged" | "skipped";
  /** Why it was skipped or not judged. */
  readonly reason?: string;
  /** The first 10 findings, each in one line. */
  readonly findings: readonly string[];
  /** Number of all findings. */
  readonly found: number;
}

/** The messages of the exceptions that ended checks, each with the rule that reported it. */
export type KnownErrors = Map<string, string>;

/**
 * Checks a plugin by one rule.
 *
 * @param rule - the rule
 * @param subject - the plugin and the other inputs
 * @param known - the exceptions that earlier rules reported, such as that of a machine that does not boot. A rule that one of them ends is
 *   not judged; a new one is a finding and is added
 */
export async function checkRule(
  rule: ConformanceRule,
  subject: ConformanceSubject,
  known: KnownErrors = new Map(),
): Promise<RuleResult> {
  const { id, sentence, source } = rule;
  const findings = new Set<string>();
  const reasons = new Set<string>();
  const result = (status: RuleResult["status"], reason?: string): RuleResult => {
    const kept = [...findings].slice(0, MOST_FINDINGS);
    return {
      rule: id,
      sentence,
      source,
      status,
      ...(reason !== undefined && { reason }),
      findings: kept,
      found: findings.size,
    };
  };

  try {
    const missing = rule.skip?.(subject);
    if (missing !== undefined) return result("skipped", missing);
    await rule.check(
      subject,
      (finding) => void findings.add(finding),
      (reason) => void reasons.add(reason),
    );
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const reporter = known.get(text);
    if (reporter === undefined) {
      known.set(text, id);
      findings.add(`the check throws: ${text}`);
    } else reasons.add(`the check throws what ${reporter} reports`);
  }
  if (findings.size > 0) return result("failed");
  return reasons.size > 0 ? result("not judged", [...reasons].join("; ")) : result("ok");
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
 * console.log(results.filter(({ status }) => status === "failed" || status === "not judged").length); // 0
 * console.log(results.find(({ status }) => status === "skipped")?.reason); // keys are kept in entries
 * ```
 */
export async function checkConformance(
  subject: ConformanceSubject,
  onResult: (result: RuleResult) => void = () => undefined,
): Promise<readonly RuleResult[]> {
  const results: RuleResult[] = [];
  const known: KnownErrors = new Map();
  for (const rule of rulesFor(subject.plugin.kind)) {
    const result = await checkRule(rule, subject, known);
    results.push(result);
    onResult(result);
  }
  return results;
}

/**
 * Prints a rule that the plugin does not keep: its name, the rule, its source, and the findings or why it was not judged.
 *
 * @param result - a result with the status `failed` or `not judged`
 */
export function failureText({ rule, sentence, findings, found, source, status, reason = "" }: RuleResult): string {
  const more = found > findings.length ? [`and ${found - findings.length} more`] : [];
  const nothing = status === "not judged" ? [`not judged: ${reason}`] : [];
  return [`${rule}: ${sentence} (${source})`, ...findings, ...more, ...nothing].join("\n  ");
}
