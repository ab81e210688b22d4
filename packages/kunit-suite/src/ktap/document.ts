import { BlockFilter } from "./blocks.js";
import type { Findings } from "./findings.js";
import { DEEPEST, innermost, isComplete } from "./level.js";
import type { Levels } from "./level.js";
import type { KtapLine, PlanLine, ResultLine, VersionLine } from "./lines.js";
import { endOf, isDeeper, isOutside, mayHoldBare } from "./nesting.js";
import { TestTree } from "./tree.js";

/** The first and the last known version of each protocol. */
const VERSIONS = { KTAP: [1, 1], TAP: [13, 14] } as const;

/** Reads the lines of one console, which may contain several documents. */
export class DocumentReader {
  private readonly tree: TestTree;
  private readonly levels: Levels;
  private readonly blocks = new BlockFilter((line) => {
    if (this.version === undefined) this.read(line);
    else this.readAfterVersion(this.version, line);
  });
  /** A version line that begins a subtest or a document. The next line decides which. */
  private version: VersionLine | undefined;
  /** The protocol of the open document. */
  private protocol: VersionLine["protocol"] = "KTAP";
  /** Number of the last line read. */
  private last = 1;

  /** @param findings - receives documents, errors and remarks */
  constructor(private readonly findings: Findings) {
    this.tree = new TestTree(findings);
    this.levels = this.tree.levels;
  }

  /** Reads the next line. */
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

  private read(line: KtapLine): void {
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
        this.readPlan(line);
        return;
      case "result":
        this.readResult(line);
        return;
      case "bail":
        this.findings.error(line.number, `bail out: ${line.reason}`);
        this.tree.log(line.text);
        return;
      case "log":
        if (line.damage !== undefined) this.findings.error(line.number, line.damage);
        this.tree.log(line.text);
    }
  }

  private readAfterVersion(before: VersionLine, line: KtapLine): void {
    // A log line may be between the two lines of a subtest header.
    if (line.kind === "log") this.read(line);
    else if (line.kind === "subtest" && line.indent === before.indent) {
      this.version = undefined;
      this.openSubtest(line.name, before.indent, line.number);
    } else {
      this.beginByVersion(before);
      this.read(line);
    }
  }

  /** A version line without a subtest line begins a subtest, or a document if the previous one is complete or was cut off. */
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
    if (version < first || version > last) this.findings.remark(number, `unknown version ${version} of ${protocol}`);
  }

  private openSubtest(name: string | undefined, indent: number, number: number): void {
    while (this.levels.length > 1) {
      const level = innermost(this.levels);
      const isSibling = indent <= level.indent && isDeeper(this.levels);
      if (!isComplete(level) && !isSibling) break;
      this.tree.closeWithoutResult(this.last);
    }
    if (this.levels.length > DEEPEST) {
      this.findings.error(number, `subtests are nested more than ${DEEPEST} deep`);
      return;
    }
    this.tree.open(name, indent);
  }

  private readPlan(line: PlanLine): void {
    if (line.damage !== undefined) this.findings.error(line.number, line.damage);
    while (this.levels.length > 1 && isOutside(this.levels, line.indent)) this.tree.closeWithoutResult(this.last);
    if (line.indent > innermost(this.levels).indent && mayHoldBare(this.levels))
      this.tree.open(undefined, line.indent, true);
    const level = innermost(this.levels);
    if (level.plan !== undefined || (level.tests.length > 0 && !line.whole)) {
      if (line.whole) this.findings.error(line.number, "a second plan");
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

  private readResult(line: ResultLine): void {
    if (line.loose && !this.mayBeLoose()) {
      if (!line.ok) this.findings.error(line.number, "a malformed result");
      this.tree.log(line.text);
      return;
    }
    if (line.damage !== undefined) this.findings.error(line.number, line.damage);
    this.findings.keepResult(line.text, this.levels.length);
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

  /** Only TAP allows results without numbers, and then no result of the document has one. A kernel may log text that begins like a result. */
  private mayBeLoose(): boolean {
    return this.protocol === "TAP" && this.levels.length === 1 && innermost(this.levels).offset === undefined;
  }
}
