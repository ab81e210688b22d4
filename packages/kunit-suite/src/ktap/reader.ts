import { splitKtap } from "./lines.js";
import type { KtapLine, KtapLines } from "./lines.js";
import { statusOfAll } from "./types.js";
import type { KtapCounts, KtapDocument, KtapError, KtapTest } from "./types.js";

/** The versions that there are, first and last, by protocol. */
const VERSIONS: Readonly<Record<string, readonly [first: number, last: number]>> = { KTAP: [1, 1], TAP: [13, 14] };

type ResultLine = Extract<KtapLine, { kind: "result" }>;

/** A subtest whose own result is still to come. */
interface Open {
  /** Its name, when a `# Subtest:` line gives it. */
  readonly name: string | undefined;
  /** How far its lines are indented. */
  readonly indent: number;
  /** How many tests it is nested in. */
  readonly depth: number;
}

/** Deeper nesting than any test has: a damaged document, which must not use up the stack. */
const DEEPEST = 64;

/** The results of one level. */
interface Level {
  readonly tests: KtapTest[];
  /** Log lines that belong to the test around: those before the plan, and those after the last result. */
  readonly log: string[];
  readonly missing: number;
}

/**
 * Reads a KTAP document, or a console log that holds one, by the grammar of the kernel's own parser
 * (tools/testing/kunit/kunit_parser.py): indentation carries no meaning, the directives but SKIP decide nothing, and reading goes on
 * after an error. Stricter than that parser it also reports a missing plan, results beyond the plan, `ok` over a failed subtest, and
 * lines that look like results and are none.
 *
 * @param text - the document or log; what a console prints before each line may stand there
 * @returns its tests, and everything that is wrong with it
 *
 * @example
 * ```ts
 * import { readKtap } from "@kpkeys/kunit-suite";
 *
 * const { counts, errors } = readKtap("KTAP version 1\n1..2\nok 1 write_user_pmd\n");
 * console.log(counts.passed, counts.crashed); // 1 1
 * console.log(errors[0]?.line, errors[0]?.message); // 3 the plan is 2 results, and 1 is missing
 * ```
 */
export function readKtap(text: string): KtapDocument {
  const found = splitKtap(text);
  const errors: KtapError[] = [];
  if (found.lines.length === 0) return nothingFound(found);
  const { tests, missing } = createReader(found.lines, errors).readDocument();
  errors.sort((a, b) => a.line - b.line);
  return { tests, missing, counts: countTests(tests, missing), errors };
}

function nothingFound({ complaints, last }: KtapLines): KtapDocument {
  const errors = complaints.map(({ number, text }) => ({ line: number, message: text }));
  errors.push({ line: Math.max(last, 1), message: "no KTAP version line in all of the text" });
  return { tests: [], missing: 0, counts: countTests([], 0), errors };
}

function countTests(tests: readonly KtapTest[], missing: number): KtapCounts {
  const counts = { passed: 0, failed: 0, crashed: missing, skipped: 0 };
  function count(test: KtapTest): void {
    counts.crashed += test.missing ?? 0;
    test.tests.forEach(count);
    if (test.tests.length > 0 || test.status === "empty" || test.status === "crashed") return;
    counts[test.status]++;
  }
  tests.forEach(count);
  return counts;
}

function createReader(lines: readonly KtapLine[], errors: KtapError[]): { readDocument(): Level } {
  let at = 0;

  function wrong(line: number, message: string): void {
    errors.push({ line, message });
  }

  /** Number of the line that is next, or of the last one. */
  function here(): number {
    return (lines[at] ?? lines.at(-1)!).number;
  }

  /** Takes log lines up to one of another kind. */
  function takeLog(): string[] {
    const log: string[] = [];
    for (let line = lines[at]; line?.kind === "log"; line = lines[++at]) {
      if (line.damage !== undefined) wrong(line.number, line.damage);
      log.push(line.text);
    }
    return log;
  }

  function readDocument(): Level {
    takeHead();
    const level = readLevel(undefined);
    takeLog();
    const rest = lines[at];
    if (rest?.kind === "version" || rest?.kind === "subtest") wrong(rest.number, "a second document after the first");
    else if (rest !== undefined) wrong(rest.number, "more results than the plan announces");
    return level;
  }

  /** A version line, a `# Subtest:` line, or both: KUnit prints them in this order. */
  function takeHead(): string | undefined {
    const version = lines[at]!;
    if (version.kind === "version") {
      at++;
      const [first, last] = VERSIONS[version.protocol]!;
      if (version.version < first || version.version > last)
        wrong(version.number, `${version.protocol} version ${version.version}, which is not known`);
    }
    const subtest = lines[at];
    if (subtest?.kind !== "subtest") return undefined;
    at++;
    return subtest.name;
  }

  function takePlan(): number | undefined {
    const line = lines[at];
    if (line?.kind === "plan") {
      at++;
      return line.count;
    }
    wrong(here(), "no plan: nothing says how many results there are to be");
    return undefined;
  }

  /** Reads the results of a level, up to the result of the test around it. */
  function readLevel(around: Open | undefined): Level {
    const head = takeLog();
    const plan = takePlan();
    const tests: KtapTest[] = [];
    // Without a plan, what stands before it belongs to the first test.
    let log = plan === undefined ? head : [];
    for (;;) {
      log.push(...takeLog());
      const line = lines[at];
      if (line === undefined || endsLevel(line, tests.length, plan, around)) break;
      const depth = (around?.depth ?? 0) + 1;
      const misplaced = misplacedOf(line, depth);
      if (misplaced !== undefined) {
        wrong(line.number, misplaced);
        at++;
        continue;
      }
      const number = tests.length + 1;
      tests.push(line.kind === "result" ? takeResult(line, number, log) : readSubtest(number, depth, log));
      log = [];
    }
    const missing = Math.max((plan ?? 0) - tests.length, 0);
    if (missing > 0)
      wrong(here(), `the plan is ${results(plan!)}, and ${missing} ${missing === 1 ? "is" : "are"} missing`);
    if (plan === 0 && tests.length === 0) wrong(here(), "0 tests run");
    return { tests, log: plan === undefined ? log : [...head, ...log], missing };
  }

  function endsLevel(line: KtapLine, read: number, plan: number | undefined, around: Open | undefined): boolean {
    const complete = plan !== undefined && read >= plan;
    if (around === undefined) return complete;
    if (line.kind !== "result") return complete;
    if (line.name === around.name) {
      // A subtest that has the name of the test around it stands as deep as its siblings, and has the next number.
      const isSubtest = !complete && line.indent === around.indent && line.test === read + 1 && around.indent > 0;
      return !isSubtest;
    }
    if (!complete) return false;
    const tooMany = line.indent === around.indent && around.indent > 0;
    if (tooMany) wrong(line.number, `more results than the ${plan} that the plan announces`);
    return !tooMany;
  }

  function takeResult(line: ResultLine, expected: number, log: readonly string[]): KtapTest {
    at++;
    checkNumber(line, expected);
    const skipped = isSkip(line);
    const status = skipped ? "skipped" : line.ok ? "passed" : "failed";
    return { name: line.name, status, ...directiveOf(line), log, tests: [] };
  }

  function checkNumber({ number, test }: ResultLine, expected: number): void {
    if (test !== expected) wrong(number, `test number ${test} where ${expected} was expected`);
  }

  /** Reads a nested document and the result line of the test that it belongs to. */
  function readSubtest(expected: number, depth: number, before: readonly string[]): KtapTest {
    const { indent } = lines[at]!;
    const name = takeHead();
    const { tests, log, missing } = readLevel({ name, indent, depth });
    const all = [...before, ...log, ...takeLog()];
    const inner = missing > 0 ? "crashed" : statusOfAll(tests);
    const rest = { log: all, tests, ...(missing > 0 && { missing }) };

    const line = lines[at];
    if (line?.kind !== "result" || (name !== undefined && line.name !== name)) {
      wrong(here(), `no result of the subtest${name === undefined ? "" : ` '${name}'`}`);
      return { name: name ?? "", status: "crashed", ...rest };
    }
    at++;
    checkNumber(line, expected);
    if (line.ok && inner === "failed" && !isSkip(line)) wrong(line.number, "ok, though a subtest failed");
    const own = isSkip(line) ? "skipped" : line.ok ? "passed" : "failed";
    const status = inner === "crashed" || inner === "failed" || inner === "empty" ? inner : own;
    return { name: line.name, status, ...directiveOf(line), ...rest };
  }

  return { readDocument };
}

/** What is wrong with a line that no test can begin with. */
function misplacedOf({ kind }: KtapLine, depth: number): string | undefined {
  if (kind === "plan") return "a second plan";
  return kind !== "result" && depth > DEEPEST ? `tests nested more than ${DEEPEST} deep` : undefined;
}

/** ` # SKIP` decides whatever stands before it; no other directive decides anything. */
function isSkip({ directive = "" }: ResultLine): boolean {
  return directive.startsWith("SKIP");
}

function directiveOf({ directive }: ResultLine): { directive?: string } {
  return directive === undefined ? {} : { directive };
}

function results(count: number): string {
  return `${count} result${count === 1 ? "" : "s"}`;
}
