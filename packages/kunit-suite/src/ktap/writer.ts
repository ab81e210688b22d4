import { countResults } from "../runner.js";
import type { CaseResult, SuiteResult } from "../runner.js";
import { statusOfAll } from "./types.js";
import type { KtapTest } from "./types.js";

/** KUNIT_SUBTEST_INDENT of include/kunit/test.h. The KTAP specification has two spaces; the kernel's parser ignores indentation. */
const INDENT = "    ";

/**
 * Formats results as KUnit prints them, in the Kernel Test Anything Protocol, version 1: a document of the suites, each with a
 * nested document of its cases. Diagnostic lines precede their result. A suite with more than one case has totals.
 *
 * @param suites - the results
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
  return writeKtap(suites.map(ktapOf));
}

/**
 * The results of a suite as a KTAP test with the cases as subtests.
 * @param suite - the results
 */
export function ktapOf(suite: SuiteResult): KtapTest {
  const tests = suite.cases.map(ktapOfCase);
  const status = statusOfAll(tests);
  const skipped = status === "skipped" ? { directive: "SKIP" } : {};
  return { name: suite.name, status, ...skipped, log: totals(suite), tests };
}

function ktapOfCase({ name, status, skipReason = "", log }: CaseResult): KtapTest {
  const skipped = status === "skipped" ? { directive: `SKIP ${skipReason}`.trimEnd() } : {};
  const lines = log.flatMap((entry) => entry.split("\n")).map((line) => `${name}: ${line}`);
  return { name, status, ...skipped, log: lines, tests: [] };
}

/** The totals of `kunit.stats_enabled=1`, which prints them for more than one case. */
function totals(suite: SuiteResult): string[] {
  if (suite.cases.length <= 1) return [];
  const { passed, failed, skipped } = countResults([suite]);
  const counts = `pass:${passed} fail:${failed} skip:${skipped} total:${suite.cases.length}`;
  return [`${suite.name}: ${counts}`, `Totals: ${counts}`];
}

/**
 * Formats tests as a KTAP document, nested to any depth. KTAP has no escapes: characters that a name or
 * a diagnostic line cannot contain are replaced by `_`.
 *
 * @param tests - the tests of the outermost level. The log of a test with subtests follows them
 * @returns the document, ending with a newline
 */
export function writeKtap(tests: readonly KtapTest[]): string {
  return `${["KTAP version 1", ...planAndResults(tests)].join("\n")}\n`;
}

function planAndResults(tests: readonly KtapTest[]): string[] {
  return [`1..${tests.length}`, ...tests.flatMap((test, index) => testLines(test, index + 1))];
}

function testLines({ name, status, directive, log, tests }: KtapTest, number: number): string[] {
  const result = status === "passed" || status === "skipped" ? "ok" : "not ok";
  const remark = directive === undefined ? "" : ` # ${oneLine(directive).trim()}`;
  const nested = ["KTAP version 1", `# Subtest: ${plainName(name)}`, ...planAndResults(tests)];
  return [
    ...(tests.length === 0 ? [] : nested.map((line) => INDENT + line)),
    ...log.map((line) => `# ${plainLine(line)}`.trimEnd()),
    `${result} ${number} ${plainName(name)}${remark}`,
  ];
}

/**
 * Converts a name to the form of a result line: one line, without `#`, which begins a directive, and without the blanks and dashes
 * that a reader removes from its start and end.
 * @param name - any text
 */
export function plainName(name: string): string {
  const plain = oneLine(name)
    .replaceAll("#", "_")
    .replace(/^(?:- +|\s)+/, "")
    .trimEnd();
  return plain === "" || plain === "-" ? "_" : plain;
}

/**
 * Converts a diagnostic to one line, without blanks at its end, that a reader does not mistake for the header of a subtest.
 * @param line - any text
 */
export function plainLine(line: string): string {
  return oneLine(line)
    .trimEnd()
    .replace(/^Subtest:/, "Subtest_:");
}

/** Replaces line ends and control characters except tabs, because a reader attributes them to the console. */
function oneLine(text: string): string {
  return text.replaceAll(/[^\P{Cc}\t]|[\u2028\u2029]/gu, "_");
}
