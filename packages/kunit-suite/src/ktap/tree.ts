import type { KtapSink } from "./findings.js";
import { innermost } from "./level.js";
import type { Level, Levels } from "./level.js";
import type { ResultLine } from "./lines.js";
import { mayHoldBare } from "./nesting.js";
import { statusOfAll } from "./types.js";
import type { KtapStatus, KtapTest } from "./types.js";

/** The tests of a document that is being read, as a stack of levels. */
export interface TestTree {
  /** The levels that are open. */
  readonly levels: Levels;
  /**
   * Opens a level.
   * @param name - of the subtest, where a line gives it
   * @param indent - of its first line, in columns
   * @param headless - whether that line is no head
   */
  open(name: string | undefined, indent: number, headless?: boolean): void;
  /**
   * Adds a log line to the next test.
   * @param text - the line
   */
  log(text: string): void;
  /**
   * Adds a result without subtests to the innermost level, or to a new one without a head.
   * @param line - the result
   */
  add(line: ResultLine): void;
  /**
   * Notes once that a level has more results than planned.
   * @param level - the level
   * @param number - of the line that shows it
   */
  excess(level: Level, number: number): void;
  /**
   * Ends the innermost level with the result of the test around it.
   * @param line - the result
   */
  closeWith(line: ResultLine): void;
  /**
   * Ends the innermost level, whose own result is missing; what only looked like a level is a part of the one around.
   * @param number - of the line that shows it
   */
  closeWithoutResult(number: number): void;
  /**
   * Ends all levels.
   * @param number - of the last line
   */
  close(number: number): void;
}

/**
 * Makes the tree of one document after another.
 * @param sink - takes what is complete, and what is wrong
 */
export function createTestTree(sink: KtapSink): TestTree {
  const levels: Level[] = [];

  function open(name: string | undefined, indent: number, headless = false): void {
    const around = levels.at(-1);
    levels.push({ name, indent, headless, tests: [], log: around?.pending ?? [], pending: [] });
    if (around !== undefined) around.pending = [];
  }

  /** Opens a level for a result that is indented deeper, and the first there, though no head was before it. */
  function openBare({ test, indent }: ResultLine): void {
    const level = innermost(levels);
    const isBare = test === 1 && indent > (level.childIndent ?? level.indent) && mayHoldBare(levels);
    if (isBare) open(undefined, indent, true);
  }

  function addTest(level: Level, line: ResultLine, test: Omit<KtapTest, "name">): void {
    checkNumber(level, line);
    level.childIndent ??= line.indent;
    const { name, directive } = line;
    level.tests.push({ name, ...test, ...(directive !== undefined && { directive }) });
    level.pending = [];
    if (level.plan !== undefined && level.tests.length > level.plan.count) excess(level, line.number);
  }

  function excess(level: Level, number: number): void {
    if (level.hasExcess !== true)
      sink.wrong(number, `more results than the ${level.plan!.count} that the plan announces`);
    level.hasExcess = true;
  }

  /** A kernel that loads modules goes on counting, so the outermost level may begin with any number. */
  function checkNumber(level: Level, { number, test, damage }: ResultLine): void {
    const place = level.tests.length + 1;
    if (test === undefined) {
      if (damage === undefined) sink.remark(number, "a result without a number");
      return;
    }
    const mayContinue = levels.length === 1 && test > (level.plan?.count ?? 0);
    level.offset ??= mayContinue ? test - place : 0;
    const expected = place + level.offset;
    if (test === expected) return;
    level.offset = test - place;
    const message = `test number ${test} where ${expected} was expected`;
    if (test > expected && level.plan === undefined)
      sink.wrong(number, `${message}, and no plan says how many there are`);
    else sink.remark(number, message);
  }

  function closeWith(line: ResultLine): void {
    const level = levels.pop()!;
    const { tests, plan } = level;
    const missing = missingOf(level, line.number);
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
        sink.remark(line.number, "0 tests run");
      }
    } else {
      const inner = statusOfAll(tests);
      if (inner === "crashed" || inner === "failed") status = inner;
      if (inner === "failed" && own === "passed") sink.wrong(line.number, "ok, though a subtest failed");
    }
    const log = [...level.log, ...level.pending];
    if (level.headless) openBare(line);
    addTest(innermost(levels), { ...line, directive }, { status, log, tests, ...(missing > 0 && { missing }) });
  }

  function closeWithoutResult(number: number): void {
    const level = levels.pop()!;
    const { name, tests, headless } = level;
    const around = innermost(levels);
    if (headless && (level.plan === undefined || around.plan === undefined)) {
      for (const test of tests) around.tests.push(test);
      around.pending = around.pending.concat(level.log, level.pending);
      if (level.plan !== undefined) around.plan = level.plan;
      if (around.plan !== undefined && around.tests.length > around.plan.count) excess(around, number);
      return;
    }
    const missing = missingOf(level, number);
    // After a crash in a document without indentation, the next boot looks like a subtest.
    if (name === undefined && levels.length === 1 && level.indent <= around.indent) {
      sink.finish(tests, missing);
      return;
    }
    sink.wrong(number, `no result of the subtest${name === undefined ? "" : ` '${name}'`}`);
    const log = [...level.log, ...level.pending];
    around.tests.push({ name: name ?? "", status: "crashed", log, tests, ...(missing > 0 && { missing }) });
  }

  function close(number: number): void {
    while (levels.length > 1) closeWithoutResult(number);
    const level = levels.pop();
    if (level === undefined) return;
    const { tests, plan } = level;
    const missing = missingOf(level, number);
    if (plan === undefined) sink.remark(number, "no plan: nothing says how many results there are to be");
    if (tests.length === 0 && plan?.skip !== undefined) {
      const log = [...level.log, ...level.pending];
      tests.push({ name: "", status: "skipped", directive: plan.skip, log, tests: [] });
    } else if (tests.length === 0 && missing === 0) sink.wrong(number, "0 tests run");
    sink.finish(tests, missing);
  }

  function missingOf({ tests, plan }: Level, number: number): number {
    if (plan === undefined || plan.count <= tests.length) return 0;
    const missing = plan.count - tests.length;
    if (!sink.keepsMissing(missing)) {
      sink.wrong(number, `the plan is ${plan.count} results, which no log can hold`);
      return 0;
    }
    const planned = `${plan.count} result${plan.count === 1 ? "" : "s"}`;
    sink.wrong(number, `the plan is ${planned}, and ${missing} ${missing === 1 ? "is" : "are"} missing`);
    return missing;
  }

  return {
    levels,
    open,
    log(text) {
      const shown = text.replace(/^# ?/, "");
      if (sink.keepsLog(shown)) innermost(levels).pending.push(shown);
    },
    add(line) {
      openBare(line);
      const level = innermost(levels);
      addTest(level, line, { status: outcomeOf(line), log: level.pending, tests: [] });
    },
    excess,
    closeWith,
    closeWithoutResult,
    close,
  };
}

/** SKIP decides, also after `not ok`; no other directive decides anything. */
function outcomeOf({ ok, skipped }: ResultLine): "passed" | "failed" | "skipped" {
  if (skipped) return "skipped";
  return ok ? "passed" : "failed";
}
