import { guessesOf, plain, timeWithin } from "./console.js";
import { DocumentReader } from "./document.js";
import { createFindings } from "./findings.js";
import { classify } from "./lines.js";
import type { KtapLine } from "./lines.js";
import { createPrefix } from "./prefix.js";
import type { Prefix } from "./prefix.js";
import type { KtapDocument, KtapError } from "./types.js";

/** A version line ends a line of the console. */
const START = /(?:KTAP|TAP) version [0-9]+$/;
/** What is in every line that is more than log. */
const MAY_MEAN = /ok|1\.\.|TAP version |# Subtest:|Bail out!|List of all|Kernel panic|reboot:/;
/** What a console prints before a line begins with a time, a task, or blanks; a sentence is no such thing. */
const CONSOLE = /^[^#]*[0-9][:.\])>][^#]*$|^\s*$/;
/** What a kernel prints when it has nothing more to run. */
const END = /List of all partitions:|Kernel panic - not syncing: VFS:|reboot: System halted/;
const EXECUTOR = "kunit executor: ";
/** A result with anything before it. */
const RESULT_ANYWHERE = /(?:^|[\]:] )\s*(ok|not ok) [0-9]+(?: |$)/;
/** A version line whose newline was lost, so that another message follows on its line. */
const FUSED_START = /(?<=(?:KTAP|TAP) version [0-9]+)\s*\[ *[0-9]+\.[0-9]{6}\]/;

/** Longer prefixes are none, and more consoles write into no log. */
const LONGEST_PREFIX = 200;
const MOST_STREAMS = 8;

/** What one console writes: the lines that begin like its version line. */
interface Stream {
  readonly prefix: Prefix;
  readonly documents: DocumentReader;
}

/**
 * Reads a console log that holds KTAP or TAP documents, or such a document, as the kernel's own parser does
 * (tools/testing/kunit/kunit_parser.py): `KTAP version N` may be anywhere in a line, and what is before it is a prefix of the lines
 * that follow; other lines are log. More than that parser, this reads all documents of a log, also when several consoles write
 * into it at once, counts results beyond the plan, and reports lines that look like results and are none.
 *
 * @param text - the document or log
 * @returns its tests, and all that is wrong or unusual
 * @throws KpkeysError ERR_INPUT_KIND when there are more results than can be kept
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
  const reader = createKtapReader();
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    reader.push(text.slice(start, end));
    start = end + 1;
  }
  return reader.finish();
}

/**
 * Makes a reader for a log that is too long to be in memory; {@link readKtap} says how it is read.
 *
 * @example
 * ```ts
 * import { createKtapReader } from "@kpkeys/kunit-suite";
 *
 * const reader = createKtapReader();
 * for (const line of ["KTAP version 1", "1..1", "not ok 1 write_user_pmd"]) reader.push(line);
 * console.log(reader.finish().counts.failed); // 1
 * ```
 */
export function createKtapReader(): KtapReader {
  return new KtapReader();
}

/** Reads a log line by line, in memory that is bounded. */
export class KtapReader {
  private readonly found = createFindings();
  private readonly complaints: KtapError[] = [];
  /** In the order of their first documents. */
  private streams: Stream[] = [];
  /** The one that the last line was of. */
  private latest: Stream | undefined;
  private hasBegun = false;
  private number = 0;
  private readonly outside = { results: 0, failed: 0, line: 0 };

  /**
   * Takes the next line.
   * @param line - without its newline
   * @throws KpkeysError ERR_INPUT_KIND when there are more results than can be kept
   */
  push(line: string): void {
    this.number++;
    // A serial console may end lines by \r\r\n, and a progress bar goes back to the beginning of its line.
    for (const part of plain(line).split("\r")) {
      for (let rest: string | undefined = part; rest !== undefined;) rest = this.pushPart(rest);
    }
  }

  /** Counts blank lines. */
  skip(lines: number): void {
    this.number += lines;
  }

  /** Takes a line that is too long to be one. */
  pushLong(): void {
    this.number++;
    this.found.sink.wrong(this.number, "the line is too long to be read");
  }

  /** Ends the log. @returns its documents */
  finish(): KtapDocument {
    this.end();
    if (!this.hasBegun) {
      for (const { line, message } of this.complaints) this.found.sink.wrong(line, message);
      this.found.sink.wrong(Math.max(this.number, 1), "no KTAP version line in all of the text");
    }
    if (this.outside.results > 0) {
      const message = `results before the first document: ${this.outside.results}, of which not ok: ${this.outside.failed}`;
      this.found.sink[this.outside.failed > 0 ? "wrong" : "remark"](this.outside.line, message);
    }
    return this.found.finish();
  }

  /** @returns the rest of the line, when another message begins in the middle of it */
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

  /** The console whose prefix a line has: the longest of those that fit. */
  private streamOf(text: string): Stream | undefined {
    let own: Stream | undefined;
    for (const stream of this.streams) {
      if (own !== undefined && stream.prefix.text.length <= own.prefix.text.length) continue;
      if (stream.prefix.strip(text) !== undefined) own = stream;
    }
    return own;
  }

  /** Gives a line to the console that it belongs to. */
  private deliver(recent: Stream, own: Stream | undefined, content: string, text: string): void {
    const line = classify(content, this.number);
    if (!MAY_MEAN.test(text)) {
      this.give(own ?? recent, line);
      return;
    }
    if (own !== undefined && line.kind !== "log") {
      this.give(own, line);
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
      this.give(own ?? recent, guess);
      return;
    }
    // A test may log these words; the kernel prints them bare.
    if (line.text[0] !== "#" && END.test(line.text)) this.end();
    else this.give(own ?? recent, line);
  }

  private give(stream: Stream, line: KtapLine): void {
    this.latest = stream;
    stream.documents.push(line);
  }

  /** Begins a console, with a version line. */
  private begin(text: string): void {
    this.hasBegun = true;
    const before = text.slice(0, text.search(START));
    const prefix = createPrefix(before.length > LONGEST_PREFIX ? "" : before);
    if (this.streams.length === MOST_STREAMS) this.streams.shift()!.documents.close();
    const stream = { prefix, documents: new DocumentReader(this.found.sink) };
    this.streams.push(stream);
    this.give(stream, classify(text.slice(before.length), this.number));
  }

  private end(): void {
    for (const { documents } of this.streams) documents.close();
    this.streams = [];
    this.latest = undefined;
  }

  private pushOutside(text: string): void {
    if (this.hasBegun) return;
    const complaint = text.indexOf(EXECUTOR);
    if (complaint >= 0) this.complaints.push({ line: this.number, message: text.slice(complaint) });
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
