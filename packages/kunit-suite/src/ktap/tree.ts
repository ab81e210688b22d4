import type { Findings } from "./findings.js";
import { innermost } from "./level.js";
import type { Level } from "./level.js";
import type { ResultLine } from "./lines.js";
import { mayHoldBare } from "./nesting.js";
import { statusOfAll } from "./types.js";
import type { KtapStatus, KtapTest } from "./types.js";

/** The tests of the open document, as a stack of levels. */
export class TestTree {
  /** The open levels. */
  readonly levels: Level[] = [];

  /** @param findings - receives complete documents, errors and remarks */
  constructor(private readonly findings: Findings) {}

  /**
   * Opens a level.
   * @param name - the name of the test, if a line has it
   * @param indent - indentation of its first line, in columns
   * @param headless - whether that line is not a header
   */
  open(name: string | undefined, indent: number, headless = false): void {
    const around = this.levels.at(-1);
    this.levels.push({ name, indent, headless, tests: [], log: around?.pending ?? [], pending: [] });
    if (around !== undefined) around.pending = [];
  }

  /**
   * Adds a log line to the next test.
   * @param text - the line
   */
  log(text: string): void {
    const shown = text.replace(/^# ?/, "");
    if (this.findings.keepsLog(shown)) innermost(this.levels).pending.push(shown);
  }

  /**
   * Adds a result without subtests to the innermost level, or to a new level without a header.
   * @param line - the result
   */
  add(line: ResultLine): void {
    this.openBare(line);
    const level = innermost(this.levels);
    this.addTest(level, line, { status: outcomeOf(line), log: level.pending, tests: [] });
  }

  /** Opens a level for the first result that is indented deeper without a header. */
  private openBare({ test, indent }: ResultLine): void {
    const level = innermost(this.levels);
    const isBare = test === 1 && indent > (level.childIndent ?? level.indent) && mayHoldBare(this.levels);
    if (isBare) this.open(undefined, indent, true);
  }

  private addTest(level: Level, line: ResultLine, test: Omit<KtapTest, "name">): void {
    this.checkNumber(level, line);
    level.childIndent ??= line.indent;
    const { name, directive } = line;
    level.tests.push({ name, ...test, ...(directive !== undefined && { directive }) });
    level.pending = [];
    if (level.plan !== undefined && level.tests.length > level.plan.count) this.excess(level, line.number);
  }

  /**
   * Reports once that a level has more results than planned.
   * @param level - the level
   * @param number - number of the line
   */
  excess(level: Level, number: number): void {
    if (level.hasExcess !== true) this.findings.error(number, `more than the ${level.plan!.count} planned results`);
    level.hasExcess = true;
  }

  /** A kernel that loads modules continues to count, so the outermost level may begin with any number. */
  private checkNumber(level: Level, { number, test, damage }: ResultLine): void {
    const place = level.tests.length + 1;
    if (test === undefined) {
      if (damage === undefined) this.findings.remark(number, "a result without a number");
      return;
    }
    const mayContinue = this.levels.length === 1 && test > (level.plan?.count ?? 0);
    level.offset ??= mayContinue ? test - place : 0;
    const expected = place + level.offset;
    if (test === expected) return;
    level.offset = test - place;
    const message = `test number ${test}; expected ${expected}`;
    if (test > expected && level.plan === undefined) this.findings.error(number, `${message}, and there is no plan`);
    else this.findings.remark(number, message);
  }

  /**
   * Ends the innermost level with the result of its test.
   * @param line - the result
   */
  closeWith(line: ResultLine): void {
    const level = this.levels.pop()!;
    const { tests, plan } = level;
    const missing = this.missingOf(level, line.number);
    const own = outcomeOf(line);
    let status: KtapStatus = own;
    let { directive } = line;
    if (missing > 0) status = "crashed";
    else if (tests.length === 0) {
      if (own !== "failed" && plan?.skip !== undefined) {
        status = "skipped";
        if (/^(?:skip)?$/i.test(directive ?? "")) directive = plan.skip;
      } else if (own === "passed") {
        status = "empty";
        this.findings.remark(line.number, "0 tests run");
      }
    } else {
      const inner = statusOfAll(tests);
      if (inner === "crashed" || inner === "failed") status = inner;
      if (inner === "failed" && own === "passed")
        this.findings.error(line.number, "the result is ok, but a subtest failed");
    }
    const log = [...level.log, ...level.pending];
    if (level.headless) this.openBare(line);
    this.addTest(
      innermost(this.levels),
      { ...line, directive },
      { status, log, tests, ...(missing > 0 && { missing }) },
    );
  }

  /**
   * Ends the innermost level without the result of its test. A level without a header may turn out to be part of the enclosing one.
   * @param number - number of the line
   */
  closeWithoutResult(number: number): void {
    const level = this.levels.pop()!;
    const { name, tests, headless } = level;
    const around = innermost(this.levels);
    if (headless && (level.plan === undefined || around.plan === undefined)) {
      for (const test of tests) around.tests.push(test);
      around.pending = around.pending.concat(level.log, level.pending);
      if (level.plan !== undefined) around.plan = level.plan;
      if (around.plan !== undefined && around.tests.length > around.plan.count) this.excess(around, number);
      return;
    }
    const missing = this.missingOf(level, number);
    // After a crash in a document without indentation, the next boot looks like a subtest.
    if (name === undefined && this.levels.length === 1 && level.indent <= around.indent) {
      this.findings.addDocument(tests, missing);
      return;
    }
    this.findings.error(number, `the subtest${name === undefined ? "" : ` '${name}'`} has no result`);
    const log = [...level.log, ...level.pending];
    around.tests.push({ name: name ?? "", status: "crashed", log, tests, ...(missing > 0 && { missing }) });
  }

  /**
   * Ends all levels.
   * @param number - number of the last line
   */
  close(number: number): void {
    while (this.levels.length > 1) this.closeWithoutResult(number);
    const level = this.levels.pop();
    if (level === undefined) return;
    const { tests, plan } = level;
    const missing = this.missingOf(level, number);
    if (plan === undefined) this.findings.remark(number, "there is no plan");
    if (tests.length === 0 && plan?.skip !== undefined) {
      const log = [...level.log, ...level.pending];
      tests.push({ name: "", status: "skipped", directive: plan.skip, log, tests: [] });
    } else if (tests.length === 0 && missing === 0) this.findings.error(number, "0 tests run");
    this.findings.addDocument(tests, missing);
  }

  private missingOf({ tests, plan }: Level, number: number): number {
    if (plan === undefined || plan.count <= tests.length) return 0;
    const missing = plan.count - tests.length;
    if (!this.findings.keepsMissing(missing)) {
      this.findings.error(number, `${plan.count} results are planned, more than can be counted`);
      return 0;
    }
    const planned = plan.count === 1 ? "1 result is planned" : `${plan.count} results are planned`;
    this.findings.error(number, `${planned}, ${missing} ${missing === 1 ? "is" : "are"} missing`);
    return missing;
  }
}

/** SKIP decides, also after `not ok`. Other directives have no effect. */
function outcomeOf({ ok, skipped }: ResultLine): "passed" | "failed" | "skipped" {
  if (skipped) return "skipped";
  return ok ? "passed" : "failed";
}
