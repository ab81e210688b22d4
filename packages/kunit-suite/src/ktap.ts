import { countResults } from "./runner.js";
import type { CaseResult, SuiteResult } from "./runner.js";

/** KUNIT_SUBTEST_INDENT of the kernel's kunit/test.h; the KTAP specification has two spaces, its parsers ignore indentation. */
const INDENT = "    ";

/**
 * Prints results as the kernel's KUnit does, in the Kernel Test Anything Protocol, version 1: a document whose results are the
 * suites, in each of which a document of its cases is nested. Diagnostic lines stand before the result that they belong to;
 * totals are printed where there is more than one case to count.
 *
 * @param suites - what came of each suite
 * @returns the document, ending with a newline
 *
 * @example
 * ```ts
 * import { formatKtap } from "@kpkeys/kunit-suite";
 *
 * const cases = [{ name: "write_user_pmd", status: "passed", log: [] }] as const;
 * console.log(formatKtap([{ name: "kpkeys_hardened_pgtables", cases }]).split("\n")[5]); //     ok 1 write_user_pmd
 * ```
 */
export function formatKtap(suites: readonly SuiteResult[]): string {
  const lines = ["KTAP version 1", `1..${suites.length}`];
  suites.forEach((suite, index) => {
    lines.push(...suiteLines(suite).map((line) => INDENT + line), ...totals(suite), suiteResult(suite, index + 1));
  });
  return `${lines.join("\n")}\n`;
}

function suiteLines({ name, cases }: SuiteResult): string[] {
  return [
    "KTAP version 1",
    `# Subtest: ${plain(name)}`,
    `1..${cases.length}`,
    ...cases.flatMap((each, index) => [...diagnostics(each), caseResult(each, index + 1)]),
  ];
}

function diagnostics({ name, log }: CaseResult): string[] {
  return log.flatMap((entry) => entry.split("\n")).map((line) => `# ${plain(name)}: ${line}`);
}

function caseResult({ name, status, skipReason = "" }: CaseResult, number: number): string {
  return resultLine(status, number, name, status === "skipped" ? skipReason : undefined);
}

/** A suite fails when a case does, and is skipped when no case ran: kunit_suite_has_succeeded(). */
function suiteResult(suite: SuiteResult, number: number): string {
  const { passed, failed } = countResults([suite]);
  const status = failed > 0 ? "failed" : passed > 0 ? "passed" : "skipped";
  return resultLine(status, number, suite.name, status === "skipped" ? "" : undefined);
}

function resultLine(
  status: CaseResult["status"],
  number: number,
  name: string,
  skipReason: string | undefined,
): string {
  const skip = skipReason === undefined ? "" : ` # SKIP ${skipReason.replaceAll("\n", " ")}`.trimEnd();
  return `${status === "failed" ? "not ok" : "ok"} ${number} ${plain(name)}${skip}`;
}

/** `kunit.stats_enabled=1`: totals of a single case would only repeat its result. */
function totals(suite: SuiteResult): string[] {
  if (suite.cases.length <= 1) return [];
  const { passed, failed, skipped } = countResults([suite]);
  const counts = `pass:${passed} fail:${failed} skip:${skipped} total:${suite.cases.length}`;
  return [`# ${plain(suite.name)}: ${counts}`, `# Totals: ${counts}`];
}

/** A description must not contain `#`, which begins a directive, nor end its line. */
function plain(name: string): string {
  return name.replaceAll(/[#\n]/g, "_");
}
