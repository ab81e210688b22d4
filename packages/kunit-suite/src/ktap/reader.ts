import { guessesOf, plain, timeWithin } from "./console.js";
import { createDocumentReader } from "./document.js";
import type { DocumentReader } from "./document.js";
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

/** Reads a log line by line, in memory that is bounded. */
export interface KtapReader {
  /**
   * Takes the next line.
   * @param line - without its newline
   * @throws KpkeysError ERR_INPUT_KIND when there are more results than can be kept
   */
  push(line: string): void;
  /** Counts blank lines. */
  skip(lines: number): void;
  /** Takes a line that is too long to be one. */
  pushLong(): void;
  /** Ends the log. @returns its documents */
  finish(): KtapDocument;
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
  const found = createFindings();
  const complaints: KtapError[] = [];
  /** In the order of their first documents. */
  let streams: Stream[] = [];
  /** The one that the last line was of. */
  let latest: Stream | undefined;
  let hasBegun = false;
  let number = 0;
  const outside = { results: 0, failed: 0, line: 0 };

  function push(line: string): void {
    number++;
    // A serial console may end lines by \r\r\n, and a progress bar goes back to the beginning of its line.
    for (const part of plain(line).split("\r")) {
      for (let rest: string | undefined = part; rest !== undefined;) rest = pushPart(rest);
    }
  }

  /** @returns the rest of the line, when another message begins in the middle of it */
  function pushPart(text: string): string | undefined {
    if (text.trim() === "") return undefined;
    const trimmed = text.trimEnd();
    if (latest === undefined) {
      const fused = trimmed.search(FUSED_START);
      if (fused > 0) {
        begin(trimmed.slice(0, fused));
        return trimmed.slice(fused);
      }
      if (START.test(trimmed)) begin(trimmed);
      else pushOutside(trimmed);
      return undefined;
    }
    const own = streamOf(text);
    const content = own?.prefix.strip(text) ?? text;
    const at = timeWithin(content);
    if (at > 0) {
      deliver(latest, own, content.slice(0, at), content.slice(0, at));
      return content.slice(at);
    }
    deliver(latest, own, content, text);
    return undefined;
  }

  /** The console whose prefix a line has: the longest of those that fit. */
  function streamOf(text: string): Stream | undefined {
    let own: Stream | undefined;
    for (const stream of streams) {
      if (own !== undefined && stream.prefix.text.length <= own.prefix.text.length) continue;
      if (stream.prefix.strip(text) !== undefined) own = stream;
    }
    return own;
  }

  /** Gives a line to the console that it belongs to. */
  function deliver(recent: Stream, own: Stream | undefined, content: string, text: string): void {
    const line = classify(content, number);
    if (!MAY_MEAN.test(text)) {
      give(own ?? recent, line);
      return;
    }
    if (own !== undefined && line.kind !== "log") {
      give(own, line);
      return;
    }
    const trimmed = text.trimEnd();
    if (line.text[0] !== "#" && START.test(trimmed) && isConsolePrefix(trimmed)) {
      begin(trimmed);
      return;
    }
    for (const other of guessesOf(text, recent.prefix.text.length)) {
      const guess = classify(other, number);
      if (guess.kind === "log" && guess.damage === undefined) continue;
      give(own ?? recent, guess);
      return;
    }
    // A test may log these words; the kernel prints them bare.
    if (line.text[0] !== "#" && END.test(line.text)) end();
    else give(own ?? recent, line);
  }

  function give(stream: Stream, line: KtapLine): void {
    latest = stream;
    stream.documents.push(line);
  }

  /** Begins a console, with a version line. */
  function begin(text: string): void {
    hasBegun = true;
    const before = text.slice(0, text.search(START));
    const prefix = createPrefix(before.length > LONGEST_PREFIX ? "" : before);
    if (streams.length === MOST_STREAMS) streams.shift()!.documents.close();
    const stream = { prefix, documents: createDocumentReader(found.sink) };
    streams.push(stream);
    give(stream, classify(text.slice(before.length), number));
  }

  function end(): void {
    for (const { documents } of streams) documents.close();
    streams = [];
    latest = undefined;
  }

  function pushOutside(text: string): void {
    if (hasBegun) return;
    const complaint = text.indexOf(EXECUTOR);
    if (complaint >= 0) complaints.push({ line: number, message: text.slice(complaint) });
    const ok = RESULT_ANYWHERE.exec(text)?.[1];
    if (ok === undefined) return;
    if (outside.results++ === 0) outside.line = number;
    if (ok === "not ok") outside.failed++;
  }

  function finish(): KtapDocument {
    end();
    if (!hasBegun) {
      for (const { line, message } of complaints) found.sink.wrong(line, message);
      found.sink.wrong(Math.max(number, 1), "no KTAP version line in all of the text");
    }
    if (outside.results > 0) {
      const message = `results before the first document: ${outside.results}, of which not ok: ${outside.failed}`;
      found.sink[outside.failed > 0 ? "wrong" : "remark"](outside.line, message);
    }
    return found.finish();
  }

  return {
    push,
    skip(lines) {
      number += lines;
    },
    pushLong() {
      number++;
      found.sink.wrong(number, "the line is too long to be read");
    },
    finish,
  };
}

function isConsolePrefix(text: string): boolean {
  const before = text.slice(0, text.search(START));
  return before.length <= LONGEST_PREFIX && CONSOLE.test(before);
}
