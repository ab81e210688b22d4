import { guessesOf, plain, timeWithin } from "./console.js";
import { DocumentReader } from "./document.js";
import { Findings } from "./findings.js";
import { classify } from "./lines.js";
import type { KtapLine } from "./lines.js";
import { Prefix } from "./prefix.js";
import type { KtapDocument, KtapError } from "./types.js";

/** A version line at the end of a line of the console. */
const START = /(?:KTAP|TAP) version [0-9]+$/;
/** Every line that is not log matches this. */
const MAY_MEAN = /ok|1\.\.|TAP version |# Subtest:|Bail out!|List of all|Kernel panic|reboot:/;
/** A prefix of a console: a time or a task, or blanks. Other text is not a prefix. */
const CONSOLE = /^[^#]*[0-9][:.\])>][^#]*$|^\s*$/;
/** Messages of a kernel at the end of its run. */
const END = /List of all partitions:|Kernel panic - not syncing: VFS:|reboot: System halted/;
const EXECUTOR = "kunit executor: ";
/** A result after any text. */
const RESULT_ANYWHERE = /(?:^|[\]:] )\s*(ok|not ok) [0-9]+(?: |$)/;
/** A version line that lost its newline, so that a message follows on the same line. */
const FUSED_START = /(?<=(?:KTAP|TAP) version [0-9]+)\s*\[ *[0-9]+\.[0-9]{6}\]/;

/** Longest prefix, and most consoles in one log. */
const LONGEST_PREFIX = 200;
const MOST_STREAMS = 8;

/** The lines of one console: those that begin with the prefix of its version line. */
interface Stream {
  readonly prefix: Prefix;
  readonly documents: DocumentReader;
}

/**
 * Reads a KTAP or TAP document, or a console log that contains such documents, as the kernel's parser does
 * (tools/testing/kunit/kunit_parser.py): `KTAP version N` may be anywhere in a line, the text before it is the prefix of the lines
 * that follow, and other lines are log. In addition, this function reads all documents of a log, also if several consoles write
 * to it at once, counts results above the plan, and reports malformed results.
 *
 * @param text - the document or log
 * @returns its tests, errors and remarks
 * @throws KpkeysError ERR_INPUT_KIND if the log has more than 64 MiB of results
 *
 * @example
 * ```ts
 * import { readKtap } from "@kpkeys/kunit-suite";
 *
 * const { counts, errors } = readKtap("KTAP version 1\n1..2\nok 1 write_user_pmd\n");
 * console.log(counts.passed, counts.crashed); // 1 1
 * console.log(errors[0]?.line, errors[0]?.message); // 3 2 results are planned, 1 is missing
 * ```
 */
export function readKtap(text: string): KtapDocument {
  const reader = new KtapReader();
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    reader.push(text.slice(start, end));
    start = end + 1;
  }
  return reader.finish();
}

/**
 * Reads a log line by line, in bounded memory, as {@link readKtap} does.
 *
 * @example
 * ```ts
 * import { KtapReader } from "@kpkeys/kunit-suite";
 *
 * const reader = new KtapReader();
 * for (const line of ["KTAP version 1", "1..1", "not ok 1 write_user_pmd"]) reader.push(line);
 * console.log(reader.finish().counts.failed); // 1
 * ```
 */
export class KtapReader {
  private readonly findings = new Findings();
  /** Messages of the KUnit executor. */
  private readonly executor: KtapError[] = [];
  /** In the order of their first documents. */
  private streams: Stream[] = [];
  /** The stream of the last line. */
  private latest: Stream | undefined;
  private hasBegun = false;
  private number = 0;
  /** Results before the first document. */
  private readonly outside = { results: 0, failed: 0, line: 0 };

  /**
   * Reads the next line.
   * @param line - without its newline
   * @throws KpkeysError ERR_INPUT_KIND if the log has more than 64 MiB of results
   */
  push(line: string): void {
    this.number++;
    // A serial console may end lines with \r\r\n, and a progress bar returns to the start of its line.
    for (const part of plain(line).split("\r")) {
      for (let rest: string | undefined = part; rest !== undefined;) rest = this.pushPart(rest);
    }
  }

  /** Skips blank lines. @param lines - their number */
  skip(lines: number): void {
    this.number += lines;
  }

  /** Reports a line that is too long to be read. */
  pushLong(): void {
    this.number++;
    this.findings.error(this.number, "the line is too long to be read");
  }

  /** Ends the log. @returns its tests, errors and remarks */
  finish(): KtapDocument {
    this.end();
    if (!this.hasBegun) {
      for (const { line, message } of this.executor) this.findings.error(line, message);
      this.findings.error(Math.max(this.number, 1), "the text has no KTAP version line");
    }
    if (this.outside.results > 0) {
      const { results, failed, line } = this.outside;
      this.findings[failed > 0 ? "error" : "remark"](
        line,
        `results before the first document: ${results}, ${failed} not ok`,
      );
    }
    return this.findings.finish();
  }

  /** @returns the rest of the line, if another message begins in it */
  private pushPart(text: string): string | undefined {
    if (text.trim() === "") return undefined;
    const trimmed = text.trimEnd();
    if (this.latest === undefined) {
      const fused = trimmed.search(FUSED_START);
      if (fused > 0) {
        this.begin(trimmed.slice(0, fused));
        return trimmed.slice(fused);
      }
      if (START.test(trimmed)) this.begin(trimmed);
      else this.pushOutside(trimmed);
      return undefined;
    }
    const own = this.streamOf(text);
    const content = own?.prefix.strip(text) ?? text;
    const at = timeWithin(content);
    if (at > 0) {
      this.deliver(this.latest, own, content.slice(0, at), content.slice(0, at));
      return content.slice(at);
    }
    this.deliver(this.latest, own, content, text);
    return undefined;
  }

  /** The console with the longest prefix that a line begins with. */
  private streamOf(text: string): Stream | undefined {
    let own: Stream | undefined;
    for (const stream of this.streams) {
      if (own !== undefined && stream.prefix.text.length <= own.prefix.text.length) continue;
      if (stream.prefix.strip(text) !== undefined) own = stream;
    }
    return own;
  }

  /** Passes a line to its console. */
  private deliver(recent: Stream, own: Stream | undefined, content: string, text: string): void {
    const line = classify(content, this.number);
    if (!MAY_MEAN.test(text)) {
      this.pass(own ?? recent, line);
      return;
    }
    if (own !== undefined && line.kind !== "log") {
      this.pass(own, line);
      return;
    }
    const trimmed = text.trimEnd();
    if (line.text[0] !== "#" && START.test(trimmed) && isConsolePrefix(trimmed)) {
      this.begin(trimmed);
      return;
    }
    for (const other of guessesOf(text, recent.prefix.text.length)) {
      const guess = classify(other, this.number);
      if (guess.kind === "log" && guess.damage === undefined) continue;
      this.pass(own ?? recent, guess);
      return;
    }
    // A test may log the same text as a diagnostic; the kernel prints it without `#`.
    if (line.text[0] !== "#" && END.test(line.text)) this.end();
    else this.pass(own ?? recent, line);
  }

  private pass(stream: Stream, line: KtapLine): void {
    this.latest = stream;
    stream.documents.push(line);
  }

  /** Begins a stream with a version line. */
  private begin(text: string): void {
    this.hasBegun = true;
    const before = text.slice(0, text.search(START));
    const prefix = new Prefix(before.length > LONGEST_PREFIX ? "" : before);
    if (this.streams.length === MOST_STREAMS) this.streams.shift()!.documents.close();
    const stream = { prefix, documents: new DocumentReader(this.findings) };
    this.streams.push(stream);
    this.pass(stream, classify(text.slice(before.length), this.number));
  }

  private end(): void {
    for (const { documents } of this.streams) documents.close();
    this.streams = [];
    this.latest = undefined;
  }

  private pushOutside(text: string): void {
    if (this.hasBegun) return;
    const at = text.indexOf(EXECUTOR);
    if (at >= 0) this.executor.push({ line: this.number, message: text.slice(at) });
    const ok = RESULT_ANYWHERE.exec(text)?.[1];
    if (ok === undefined) return;
    if (this.outside.results++ === 0) this.outside.line = this.number;
    if (ok === "not ok") this.outside.failed++;
  }
}

function isConsolePrefix(text: string): boolean {
  const before = text.slice(0, text.search(START));
  return before.length <= LONGEST_PREFIX && CONSOLE.test(before);
}
