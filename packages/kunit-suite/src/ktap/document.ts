import { createBlockFilter } from "./blocks.js";
import type { KtapSink } from "./findings.js";
import { DEEPEST, innermost, isComplete } from "./level.js";
import type { KtapLine, PlanLine, ResultLine, VersionLine } from "./lines.js";
import { endOf, isDeeper, isOutside, mayHoldBare } from "./nesting.js";
import { createTestTree } from "./tree.js";

/** Reads the lines of one console, in which documents follow each other. */
export interface DocumentReader {
  /** Takes the next line. */
  push(line: KtapLine): void;
  /** Ends the document that is open. */
  close(): void;
}

/** The versions that there are, first and last, by protocol. */
const VERSIONS = { KTAP: [1, 1], TAP: [13, 14] } as const;

/**
 * Makes a reader of documents.
 * @param sink - takes what it finds
 */
export function createDocumentReader(sink: KtapSink): DocumentReader {
  const tree = createTestTree(sink);
  const { levels } = tree;
  const blocks = createBlockFilter(takeOrHold);
  /** A version line whose next line decides what it begins. */
  let version: VersionLine | undefined;
  /** Of the document that is open. */
  let protocol: VersionLine["protocol"] = "KTAP";
  /** Number of the last line. */
  let here = 1;

  function takeOrHold(line: KtapLine): void {
    if (version === undefined) take(line);
    else takeAfterVersion(version, line);
  }

  function take(line: KtapLine): void {
    switch (line.kind) {
      case "version":
        checkVersion(line);
        if (levels.length === 0) openDocument(line);
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
        tree.log(line.text);
        return;
      case "log":
        if (line.damage !== undefined) sink.wrong(line.number, line.damage);
        tree.log(line.text);
    }
  }

  function takeAfterVersion(before: VersionLine, line: KtapLine): void {
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
      tree.close(here);
      openDocument(line);
    }
  }

  function openDocument(line: VersionLine): void {
    protocol = line.protocol;
    tree.open(undefined, line.indent);
  }

  function checkVersion({ protocol, version: found, number }: VersionLine): void {
    const [first, last] = VERSIONS[protocol];
    if (found < first || found > last) sink.remark(number, `${protocol} version ${found}, which is not known`);
  }

  function openSubtest(name: string | undefined, indent: number, number: number): void {
    while (levels.length > 1) {
      const level = innermost(levels);
      const isSibling = indent <= level.indent && isDeeper(levels);
      if (!isComplete(level) && !isSibling) break;
      tree.closeWithoutResult(here);
    }
    if (levels.length > DEEPEST) {
      sink.wrong(number, `tests nested more than ${DEEPEST} deep`);
      return;
    }
    tree.open(name, indent);
  }

  function takePlan(line: PlanLine): void {
    if (line.damage !== undefined) sink.wrong(line.number, line.damage);
    while (levels.length > 1 && isOutside(levels, line.indent)) tree.closeWithoutResult(here);
    if (line.indent > innermost(levels).indent && mayHoldBare(levels)) tree.open(undefined, line.indent, true);
    const level = innermost(levels);
    if (level.plan !== undefined || (level.tests.length > 0 && !line.whole)) {
      if (line.whole) sink.wrong(line.number, "a second plan");
      else tree.log(line.text);
      return;
    }
    if (level.tests.length === 0) {
      level.log = level.log.concat(level.pending);
      level.pending = [];
    }
    if (line.count === undefined) return;
    level.plan = { ...line, count: line.count };
    if (level.tests.length > line.count) tree.excess(level, line.number);
  }

  function takeResult(line: ResultLine): void {
    if (line.loose && !mayBeLoose()) {
      if (!line.ok) sink.wrong(line.number, "a damaged result");
      tree.log(line.text);
      return;
    }
    if (line.damage !== undefined) sink.wrong(line.number, line.damage);
    sink.keepResult(line.text, levels.length);
    while (levels.length > 1) {
      const ending = endOf(levels, line);
      if (ending === "none") break;
      if (ending === "own") {
        tree.closeWith(line);
        return;
      }
      tree.closeWithoutResult(here);
    }
    tree.add(line);
  }

  /** TAP leaves numbers out, in all results of a document; KTAP does not, and a kernel may log prose that begins like a result. */
  function mayBeLoose(): boolean {
    return protocol === "TAP" && levels.length === 1 && innermost(levels).offset === undefined;
  }

  return {
    push(line) {
      here = line.number;
      blocks.push(line);
    },
    close() {
      blocks.close();
      if (version !== undefined) beginByVersion(version);
      tree.close(here);
    },
  };
}
