import type { KtapSink } from "./findings.js";
import { innermost } from "./level.js";
import type { Level } from "./level.js";
import type { ResultLine } from "./lines.js";
import { mayHoldBare } from "./nesting.js";
import { statusOfAll } from "./types.js";
import type { KtapStatus, KtapTest } from "./types.js";

/** The tests of a document that is being read, as a stack of levels; of one document after another. */
export class TestTree {
  /** The levels that are open. */
  readonly levels: Level[] = [];

  /** @param sink - takes what is complete, and what is wrong */
  constructor(private readonly sink: KtapSink) {}

  /**
   * Opens a level.
   * @param name - of the subtest, where a line gives it
   * @param indent - of its first line, in columns
   * @param headless - whether that line is no head
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
    if (this.sink.keepsLog(shown)) innermost(this.levels).pending.push(shown);
  }

  /**
   * Adds a result without subtests to the innermost level, or to a new one without a head.
   * @param line - the result
   */
  add(line: ResultLine): void {
    this.openBare(line);
    const level = innermost(this.levels);
    this.addTest(level, line, { status: outcomeOf(line), log: level.pending, tests: [] });
  }

  /** Opens a level for a result that is indented deeper, and the first there, though no head was before it. */
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
   * Notes once that a level has more results than planned.
   * @param level - the level
   * @param number - of the line that shows it
   */
  excess(level: Level, number: number): void {
    if (level.hasExcess !== true)
      this.sink.wrong(number, `more results than the ${level.plan!.count} that the plan announces`);
    level.hasExcess = true;
  }

  /** A kernel that loads modules goes on counting, so the outermost level may begin with any number. */
  private checkNumber(level: Level, { number, test, damage }: ResultLine): void {
    const place = level.tests.length + 1;
    if (test === undefined) {
      if (damage === undefined) this.sink.remark(number, "a result without a number");
      return;
    }
    const mayContinue = this.levels.length === 1 && test > (level.plan?.count ?? 0);
    level.offset ??= mayContinue ? test - place : 0;
    const expected = place + level.offset;
    if (test === expected) return;
    level.offset = test - place;
    const message = `test number ${test} where ${expected} was expected`;
    if (test > expected && level.plan === undefined)
      this.sink.wrong(number, `${message}, and no plan says how many there are`);
    else this.sink.remark(number, message);
  }

  /**
   * Ends the innermost level with the result of the test around it.
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
        this.sink.remark(line.number, "0 tests run");
      }
    } else {
      const inner = statusOfAll(tests);
      if (inner === "crashed" || inner === "failed") status = inner;
      if (inner === "failed" && own === "passed") this.sink.wrong(line.number, "ok, though a subtest failed");
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
   * Ends the innermost level, whose own result is missing; what only looked like a level is a part of the one around.
   * @param number - of the line that shows it
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
      this.sink.finish(tests, missing);
      return;
    }
    this.sink.wrong(number, `no result of the subtest${name === undefined ? "" : ` '${name}'`}`);
    const log = [...level.log, ...level.pending];
    around.tests.push({ name: name ?? "", status: "crashed", log, tests, ...(missing > 0 && { missing }) });
  }

  /**
   * Ends all levels.
   * @param number - of the last line
   */
  close(number: number): void {
    while (this.levels.length > 1) this.closeWithoutResult(number);
    const level = this.levels.pop();
    if (level === undefined) return;
    const { tests, plan } = level;
    const missing = this.missingOf(level, number);
    if (plan === undefined) this.sink.remark(number, "no plan: nothing says how many results there are to be");
    if (tests.length === 0 && plan?.skip !== undefined) {
      const log = [...level.log, ...level.pending];
      tests.push({ name: "", status: "skipped", directive: plan.skip, log, tests: [] });
    } else if (tests.length === 0 && missing === 0) this.sink.wrong(number, "0 tests run");
    this.sink.finish(tests, missing);
  }

  private missingOf({ tests, plan }: Level, number: number): number {
    if (plan === undefined || plan.count <= tests.length) return 0;
    const missing = plan.count - tests.length;
    if (!this.sink.keepsMissing(missing)) {
      this.sink.wrong(number, `the plan is ${plan.count} results, which no log can hold`);
      return 0;
    }
    const planned = `${plan.count} result${plan.count === 1 ? "" : "s"}`;
    this.sink.wrong(number, `the plan is ${planned}, and ${missing} ${missing === 1 ? "is" : "are"} missing`);
    return missing;
  }
}

/** SKIP decides, also after `not ok`; no other directive decides anything. */
function outcomeOf({ ok, skipped }: ResultLine): "passed" | "failed" | "skipped" {
  if (skipped) return "skipped";
  return ok ? "passed" : "failed";
}
