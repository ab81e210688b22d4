import { createBlockFilter } from "./blocks.js";
import type { KtapSink } from "./findings.js";
import { DEEPEST, innermost, isComplete } from "./level.js";
import type { Levels } from "./level.js";
import type { KtapLine, PlanLine, ResultLine, VersionLine } from "./lines.js";
import { endOf, isDeeper, isOutside, mayHoldBare } from "./nesting.js";
import { TestTree } from "./tree.js";

/** The versions that there are, first and last, by protocol. */
const VERSIONS = { KTAP: [1, 1], TAP: [13, 14] } as const;

/** Reads the lines of one console, in which documents follow each other. */
export class DocumentReader {
  private readonly tree: TestTree;
  private readonly levels: Levels;
  private readonly blocks = createBlockFilter((line) => {
    this.takeOrHold(line);
  });
  /** A version line whose next line decides what it begins. */
  private version: VersionLine | undefined;
  /** Of the document that is open. */
  private protocol: VersionLine["protocol"] = "KTAP";
  /** Number of the last line. */
  private last = 1;

  /** @param sink - takes what it finds */
  constructor(private readonly sink: KtapSink) {
    this.tree = new TestTree(sink);
    this.levels = this.tree.levels;
  }

  /** Takes the next line. */
  push(line: KtapLine): void {
    this.last = line.number;
    this.blocks.push(line);
  }

  /** Ends the document that is open. */
  close(): void {
    this.blocks.close();
    if (this.version !== undefined) this.beginByVersion(this.version);
    this.tree.close(this.last);
  }

  private takeOrHold(line: KtapLine): void {
    if (this.version === undefined) this.take(line);
    else this.takeAfterVersion(this.version, line);
  }

  private take(line: KtapLine): void {
    switch (line.kind) {
      case "version":
        this.checkVersion(line);
        if (this.levels.length === 0) this.openDocument(line);
        else this.version = line;
        return;
      case "subtest":
        this.openSubtest(line.name, line.indent, line.number);
        return;
      case "plan":
        this.takePlan(line);
        return;
      case "result":
        this.takeResult(line);
        return;
      case "bail":
        this.sink.wrong(line.number, `the tests were given up: ${line.reason}`);
        this.tree.log(line.text);
        return;
      case "log":
        if (line.damage !== undefined) this.sink.wrong(line.number, line.damage);
        this.tree.log(line.text);
    }
  }

  private takeAfterVersion(before: VersionLine, line: KtapLine): void {
    // Another line of the console may come between the two lines of a head.
    if (line.kind === "log") this.take(line);
    else if (line.kind === "subtest" && line.indent === before.indent) {
      this.version = undefined;
      this.openSubtest(line.name, before.indent, line.number);
    } else {
      this.beginByVersion(before);
      this.take(line);
    }
  }

  /** A version line alone begins a subtest, or a document after one that is complete or broke off. */
  private beginByVersion(line: VersionLine): void {
    this.version = undefined;
    const outer = this.levels[0]!;
    const isNested = line.indent > outer.indent;
    const isIndented =
      this.levels.some(({ indent }) => indent > outer.indent) || outer.tests.some(({ tests }) => tests.length > 0);
    const isDocument = isIndented || outer.plan === undefined || (this.levels.length === 1 && isComplete(outer));
    if (isNested || !isDocument) this.openSubtest(undefined, line.indent, line.number);
    else {
      this.tree.close(this.last);
      this.openDocument(line);
    }
  }

  private openDocument(line: VersionLine): void {
    this.protocol = line.protocol;
    this.tree.open(undefined, line.indent);
  }

  private checkVersion({ protocol, version, number }: VersionLine): void {
    const [first, last] = VERSIONS[protocol];
    if (version < first || version > last)
      this.sink.remark(number, `${protocol} version ${version}, which is not known`);
  }

  private openSubtest(name: string | undefined, indent: number, number: number): void {
    while (this.levels.length > 1) {
      const level = innermost(this.levels);
      const isSibling = indent <= level.indent && isDeeper(this.levels);
      if (!isComplete(level) && !isSibling) break;
      this.tree.closeWithoutResult(this.last);
    }
    if (this.levels.length > DEEPEST) {
      this.sink.wrong(number, `tests nested more than ${DEEPEST} deep`);
      return;
    }
    this.tree.open(name, indent);
  }

  private takePlan(line: PlanLine): void {
    if (line.damage !== undefined) this.sink.wrong(line.number, line.damage);
    while (this.levels.length > 1 && isOutside(this.levels, line.indent)) this.tree.closeWithoutResult(this.last);
    if (line.indent > innermost(this.levels).indent && mayHoldBare(this.levels))
      this.tree.open(undefined, line.indent, true);
    const level = innermost(this.levels);
    if (level.plan !== undefined || (level.tests.length > 0 && !line.whole)) {
      if (line.whole) this.sink.wrong(line.number, "a second plan");
      else this.tree.log(line.text);
      return;
    }
    if (level.tests.length === 0) {
      level.log = level.log.concat(level.pending);
      level.pending = [];
    }
    if (line.count === undefined) return;
    level.plan = { ...line, count: line.count };
    if (level.tests.length > line.count) this.tree.excess(level, line.number);
  }

  private takeResult(line: ResultLine): void {
    if (line.loose && !this.mayBeLoose()) {
      if (!line.ok) this.sink.wrong(line.number, "a damaged result");
      this.tree.log(line.text);
      return;
    }
    if (line.damage !== undefined) this.sink.wrong(line.number, line.damage);
    this.sink.keepResult(line.text, this.levels.length);
    while (this.levels.length > 1) {
      const ending = endOf(this.levels, line);
      if (ending === "none") break;
      if (ending === "own") {
        this.tree.closeWith(line);
        return;
      }
      this.tree.closeWithoutResult(this.last);
    }
    this.tree.add(line);
  }

  /** TAP leaves numbers out, in all results of a document; KTAP does not, and a kernel may log prose that begins like a result. */
  private mayBeLoose(): boolean {
    return this.protocol === "TAP" && this.levels.length === 1 && innermost(this.levels).offset === undefined;
  }
}
