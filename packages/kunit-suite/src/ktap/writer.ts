import { countResults } from "../runner.js";
import type { CaseResult, SuiteResult } from "../runner.js";
import { statusOfAll } from "./types.js";
import type { KtapTest } from "./types.js";

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
  return writeKtap(suites.map(ktapOf));
}

/**
 * A suite's results as a test with its cases as subtests, as KUnit has them.
 * @param suite - what came of it
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

/** `kunit.stats_enabled=1`: totals of a single case would only repeat its result. */
function totals(suite: SuiteResult): string[] {
  if (suite.cases.length <= 1) return [];
  const { passed, failed, skipped } = countResults([suite]);
  const counts = `pass:${passed} fail:${failed} skip:${skipped} total:${suite.cases.length}`;
  return [`${suite.name}: ${counts}`, `Totals: ${counts}`];
}

/**
 * Prints tests as a KTAP document, nested to any depth. KTAP has no escapes: what cannot stand in a name or a diagnostic line is
 * printed as {@link plainName} and {@link plainLine} have it.
 *
 * @param tests - of the outermost level. The subtests of a test make up for its status; the log of a test with subtests is
 *   printed after them
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
 * A name as a result line can carry it: without `#`, which begins a directive, on one line, without what a reader takes off its
 * beginning and end.
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
 * A diagnostic as a line can carry it: on one line, nothing at its end, and nothing that a reader takes for the head of a subtest.
 * @param line - any text
 */
export function plainLine(line: string): string {
  return oneLine(line)
    .trimEnd()
    .replace(/^Subtest:/, "Subtest_:");
}

/** Without line ends and control characters, which a reader takes for those of a console; tabs may be. */
function oneLine(text: string): string {
  return text.replaceAll(/[^\P{Cc}\t]|[\u2028\u2029]/gu, "_");
}
