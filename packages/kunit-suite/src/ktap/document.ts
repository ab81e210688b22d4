import type { KtapLine, Plan } from "./lines.js";
import { statusOfAll } from "./types.js";
import type { KtapStatus, KtapTest } from "./types.js";

type ResultLine = Extract<KtapLine, { kind: "result" }>;
type PlanLine = Extract<KtapLine, { kind: "plan" }>;
type VersionLine = Extract<KtapLine, { kind: "version" }>;

/** Takes what a document reader finds. */
export interface KtapSink {
  /** Something is wrong: results are missing, contradict each other or cannot be read. */
  wrong(line: number, message: string): void;
  /** Something is unusual. */
  remark(line: number, message: string): void;
  /**
   * Asks whether a log line may be kept.
   * @param text - the line
   */
  keepsLog(text: string): boolean;
  /**
   * Notes that a result is kept.
   * @param line - the result line
   * @param depth - how many tests it is nested in
   */
  keepResult(line: string, depth: number): void;
  /**
   * Asks whether missing results can be counted.
   * @param count - how many are missing
   */
  keepsMissing(count: number): boolean;
  /**
   * Takes a document that is complete.
   * @param tests - of its outermost level
   * @param missing - how many results its plan announces that are missing
   */
  finish(tests: readonly KtapTest[], missing: number): void;
}

/** Reads the lines of one console, in which documents follow each other. */
export interface DocumentReader {
  /** Takes the next line. */
  push(line: KtapLine): void;
  /** Ends the document that is open. */
  close(): void;
}

/** The tests of one level, and the test around it. */
interface Level {
  /** Its name, when a `# Subtest:` line gives it. */
  readonly name: string | undefined;
  /** How far its head is indented. */
  readonly indent: number;
  /** Whether it has no head: its first line is only indented deeper. */
  readonly headless: boolean;
  readonly tests: KtapTest[];
  /** Log lines that belong to the test around: those before the plan, and those after the last result. */
  log: string[];
  /** Log lines of the next test. */
  pending: string[];
  plan?: Plan & { readonly count: number };
  /** How far its results are indented. */
  childIndent?: number;
  /** How far the number of a result is from its place. */
  offset?: number;
  hasExcess?: boolean;
}

/** A YAML block after a result, as far as it has been read. */
interface Block {
  readonly indent: number;
  readonly held: KtapLine[];
}

/** The versions that there are, first and last, by protocol. */
const VERSIONS = { KTAP: [1, 1], TAP: [13, 14] } as const;
/** Deeper nesting than any test has: a damaged document, which must not use up the stack. */
const DEEPEST = 64;
/** A longer YAML block has lost its end. */
const LONGEST_BLOCK = 1000;

/**
 * Makes a reader of documents. The kernel's parser ignores indentation: a subtest ends with the result that has its name, or after
 * the results of its plan. So does this; indentation decides where names and plans do not.
 * @param sink - takes what it finds
 */
export function createDocumentReader(sink: KtapSink): DocumentReader {
  /** From the outermost level to the innermost; empty between documents. */
  const levels: Level[] = [];
  /** A version line whose next line decides what it begins. */
  let version: VersionLine | undefined;
  let block: Block | undefined;
  /** Whether the last line was a result, so that a YAML block may follow. */
  let afterResult = false;
  /** Number of the last line. */
  let here = 1;

  function push(line: KtapLine): void {
    here = line.number;
    if (block !== undefined) pushInBlock(block, line);
    else if (version !== undefined) pushAfterVersion(version, line);
    else take(line);
  }

  function close(): void {
    if (block !== undefined) giveBack(block);
    if (version !== undefined) beginByVersion(version);
    closeDocument();
  }

  function take(line: KtapLine): void {
    const mayBeBlock = afterResult;
    afterResult = line.kind === "result";
    switch (line.kind) {
      case "version":
        checkVersion(line);
        if (levels.length === 0) openLevel(undefined, line.indent);
        else version = line;
        return;
      case "subtest":
        openSubtest(line.name, line.indent, line.number);
        return;
      case "plan":
        takePlan(line);
        return;
      case "result":
        takeResult(line);
        return;
      case "bail":
        sink.wrong(line.number, `the tests were given up: ${line.reason}`);
        log(line.text);
        return;
      case "log":
        if (line.damage !== undefined) sink.wrong(line.number, line.damage);
        if (mayBeBlock && line.text === "---") block = { indent: line.indent, held: [line] };
        else log(line.text);
    }
  }

  function log(text: string): void {
    const shown = text.replace(/^# ?/, "");
    if (sink.keepsLog(shown)) top().pending.push(shown);
  }

  /** Holds the lines of a block until its end shows that it is one. */
  function pushInBlock(open: Block, line: KtapLine): void {
    const isOther = line.kind === "version" || line.text === "---" || line.indent < open.indent;
    if (isOther || open.held.length >= LONGEST_BLOCK) {
      giveBack(open);
      push(line);
      return;
    }
    open.held.push(line);
    if (line.text !== "...") return;
    block = undefined;
    for (const { text } of open.held) log(text);
  }

  /** What looked like a block has no end: its lines are those of the document. */
  function giveBack({ held: [first, ...rest] }: Block): void {
    block = undefined;
    log(first!.text);
    rest.forEach(push);
  }

  function pushAfterVersion(before: VersionLine, line: KtapLine): void {
    // Another line of the console may come between the two lines of a head.
    if (line.kind === "log") take(line);
    else if (line.kind === "subtest" && line.indent === before.indent) {
      version = undefined;
      openSubtest(line.name, before.indent, line.number);
    } else {
      beginByVersion(before);
      take(line);
    }
  }

  /** A version line alone begins a subtest, or a document after one that is complete or broke off. */
  function beginByVersion(line: VersionLine): void {
    version = undefined;
    const outer = levels[0]!;
    const isNested = line.indent > outer.indent;
    const isIndented =
      levels.some(({ indent }) => indent > outer.indent) || outer.tests.some(({ tests }) => tests.length > 0);
    const isDocument = isIndented || outer.plan === undefined || (levels.length === 1 && isComplete(outer));
    if (isNested || !isDocument) openSubtest(undefined, line.indent, line.number);
    else {
      closeDocument();
      openLevel(undefined, line.indent);
    }
  }

  function checkVersion({ protocol, version: found, number }: VersionLine): void {
    const [first, last] = VERSIONS[protocol];
    if (found < first || found > last) sink.remark(number, `${protocol} version ${found}, which is not known`);
  }

  function openSubtest(name: string | undefined, indent: number, number: number): void {
    while (levels.length > 1) {
      const level = top();
      const isSibling = indent <= level.indent && isDeeper(level);
      if (!isComplete(level) && !isSibling) break;
      closeWithoutResult();
    }
    if (levels.length > DEEPEST) {
      sink.wrong(number, `tests nested more than ${DEEPEST} deep`);
      return;
    }
    openLevel(name, indent);
  }

  function openLevel(name: string | undefined, indent: number, headless = false): void {
    const around = levels.at(-1);
    levels.push({ name, indent, headless, tests: [], log: around?.pending ?? [], pending: [] });
    if (around !== undefined) around.pending = [];
  }

  function takePlan(line: PlanLine): void {
    if (line.damage !== undefined) sink.wrong(line.number, line.damage);
    while (levels.length > 1 && isOutside(line.indent)) closeWithoutResult();
    let level = top();
    if (line.indent > level.indent && mayHoldBare(level)) {
      openLevel(undefined, line.indent, true);
      level = top();
    }
    if (level.plan !== undefined || (level.tests.length > 0 && !line.whole)) {
      if (line.whole) sink.wrong(line.number, "a second plan");
      else log(line.text);
      return;
    }
    if (level.tests.length === 0) {
      level.log = level.log.concat(level.pending);
      level.pending = [];
    }
    if (line.count === undefined) return;
    level.plan = { ...line, count: line.count };
    if (level.tests.length > line.count) excess(level, line.number);
  }

  function takeResult(line: ResultLine): void {
    if (line.damage !== undefined) sink.wrong(line.number, line.damage);
    sink.keepResult(line.text, levels.length);
    while (levels.length > 1) {
      const ending = endOf(line);
      if (ending === "none") break;
      if (ending === "own") {
        closeWith(line);
        return;
      }
      closeWithoutResult();
    }
    openBareLevel(line);
    addTest(top(), line, { status: outcomeOf(line), log: top().pending, tests: [] });
  }

  /** Whether a result ends the innermost level: as its own result, or as that of a level around it, or not. */
  function endOf(line: ResultLine): "own" | "other" | "none" {
    const level = top();
    const around = levels.at(-2)!;
    const complete = isComplete(level);
    if (level.name !== undefined && line.name === level.name) {
      // A subtest that has the name of the test around it is indented like its siblings, and has the next number.
      const next = level.tests.length + 1;
      const isChild = !complete && line.indent === level.indent && line.test === next && isDeeper(level);
      return isChild ? "none" : "own";
    }
    if (level.headless) {
      if (line.indent >= level.indent) return "none";
      const isNamed = around.name !== undefined && around.name === line.name;
      const first = around.tests.length + 1 + (around.offset ?? 0);
      return isNamed || line.test === first + level.tests.length ? "other" : "own";
    }
    const isExcess = line.indent === level.indent && isDeeper(level);
    const isEnd = complete ? !isExcess : isOutside(line.indent);
    if (!isEnd) return "none";
    return level.name === undefined ? "own" : "other";
  }

  /** Whether a line is indented less than the results of the innermost level, which are indented more than what is around. */
  function isOutside(indent: number): boolean {
    const level = top();
    if (!isDeeper(level)) return false;
    // Of a level without results, only its end is known to be indented less.
    const inner = level.childIndent ?? (level.name === undefined ? level.indent : -1);
    return indent < inner;
  }

  /** Whether the innermost level is indented more than the one around it. */
  function isDeeper({ indent }: Level): boolean {
    return indent > levels.at(-2)!.indent;
  }

  /** Opens a level for a result that is indented deeper, and the first there, though no head was before it. */
  function openBareLevel({ test, indent }: ResultLine): void {
    const level = top();
    const isBare = test === 1 && indent > (level.childIndent ?? level.indent) && mayHoldBare(level);
    if (isBare) openLevel(undefined, indent, true);
  }

  function mayHoldBare({ headless }: Level): boolean {
    return levels.length <= DEEPEST && (levels.length === 1 || headless);
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

  /** Ends the innermost level with the result of the test around it. */
  function closeWith(line: ResultLine): void {
    const level = levels.pop()!;
    const { tests, plan } = level;
    const missing = missingOf(level);
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
    if (level.headless) openBareLevel(line);
    addTest(top(), { ...line, directive }, { status, log, tests, ...(missing > 0 && { missing }) });
  }

  /** Ends the innermost level, whose own result is missing; what only looked like a level is a part of the one around. */
  function closeWithoutResult(): void {
    const level = levels.pop()!;
    const { name, tests, headless } = level;
    const around = top();
    if (headless && (level.plan === undefined || around.plan === undefined)) {
      for (const test of tests) around.tests.push(test);
      around.pending = around.pending.concat(level.log, level.pending);
      if (level.plan !== undefined) around.plan = level.plan;
      if (around.plan !== undefined && around.tests.length > around.plan.count) excess(around, here);
      return;
    }
    const missing = missingOf(level);
    // After a crash in a document without indentation, the next boot looks like a subtest.
    if (name === undefined && levels.length === 1 && level.indent <= around.indent) {
      sink.finish(tests, missing);
      return;
    }
    sink.wrong(here, `no result of the subtest${name === undefined ? "" : ` '${name}'`}`);
    const log = [...level.log, ...level.pending];
    around.tests.push({ name: name ?? "", status: "crashed", log, tests, ...(missing > 0 && { missing }) });
  }

  function closeDocument(): void {
    while (levels.length > 1) closeWithoutResult();
    const level = levels.pop();
    if (level === undefined) return;
    const { tests, plan } = level;
    const missing = missingOf(level);
    if (plan === undefined) sink.remark(here, "no plan: nothing says how many results there are to be");
    if (tests.length === 0 && plan?.skip !== undefined) {
      tests.push({
        name: "",
        status: "skipped",
        directive: plan.skip,
        log: [...level.log, ...level.pending],
        tests: [],
      });
    } else if (tests.length === 0 && missing === 0) sink.wrong(here, "0 tests run");
    sink.finish(tests, missing);
  }

  function missingOf({ tests, plan }: Level): number {
    if (plan === undefined || plan.count <= tests.length) return 0;
    const missing = plan.count - tests.length;
    if (!sink.keepsMissing(missing)) {
      sink.wrong(here, `the plan is ${plan.count} results, which no log can hold`);
      return 0;
    }
    const planned = `${plan.count} result${plan.count === 1 ? "" : "s"}`;
    sink.wrong(here, `the plan is ${planned}, and ${missing} ${missing === 1 ? "is" : "are"} missing`);
    return missing;
  }

  function top(): Level {
    return levels.at(-1)!;
  }

  return { push, close };
}

function isComplete({ plan, tests }: Level): boolean {
  return plan !== undefined && tests.length >= plan.count;
}

/** SKIP decides, also after `not ok`; no other directive decides anything. */
function outcomeOf({ ok, skipped }: ResultLine): "passed" | "failed" | "skipped" {
  if (skipped) return "skipped";
  return ok ? "passed" : "failed";
}
