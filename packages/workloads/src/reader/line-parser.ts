import { KpkeysError } from "@kpkeys/core";
import { readArguments } from "./arguments.js";
import { readColumnsBefore } from "./columns.js";
import { type EventKind, TraceEvent } from "./event.js";
import { ArgumentForm, eventNames, FORMATS } from "./formats.js";
import { readHeader } from "./header.js";
import type { Ledger } from "./ledger.js";
import { createEventNames, nextWord } from "./names.js";
import { quote } from "./quote.js";
import { callChainEntry, digits, isDigit, lineEnd, NEWLINE, restOfLine, SPACE, spaces, word } from "./scan.js";

/** How much of a name is read that is not known: a trace may hold one of any length. */
const LONGEST_NAME = 255;

const HASH = 35;
const COLON = 58;
const LINE = "`comm tid [cpu] seconds.fraction: event: arguments` as perf script prints them";

/** The name of an event that is not known, with its subsystem where the line has one. */
const NAME = /^[A-Za-z_][\w-]*(:[A-Za-z_][\w-]*)?(?=[:(\s]|$)/;

/** Lines that are no event: what perf and trace-cmd say beside them, and what lost events look like there. */
const REMARK =
  /^(?:cpus=\d|version = \d|CPU \d+ is empty|trace-cmd |Warning:|Processed \d+ events|Check IO\/CPU overload|\[ perf record:)/;
const LOST = /^CPU:? ?\d+ \[(?:LOST (\d+) EVENTS|(\d+) EVENTS DROPPED|EVENTS DROPPED)\]/;

const KIND = Uint8Array.from(FORMATS, ({ kind }) => kind);

const decoder = new TextDecoder();

/** Turns whole lines into events. */
export interface LineParser {
  /**
   * Reads lines and hands on the event of each.
   *
   * @param bytes - the text
   * @param end - where the last line ends: the byte before it is a newline
   * @throws KpkeysError ERR_TRACE_LINE at a line that is damaged
   */
  parse(bytes: Uint8Array, end: number): void;
  /** Ends the text: counts lines that waited for others. */
  finish(): void;
}

/**
 * A parser of the lines of `perf script`, and of ftrace's and trace-cmd's texts of the same tracepoints. Whatever is not the line of an event to hand on is counted by what it is, or refused.
 *
 * @param path - the trace's name for messages
 * @param ledger - where lines are counted
 * @param sink - takes each event; the record is used again for the next
 */
export function createLineParser(path: string, ledger: Ledger, sink: (event: TraceEvent) => void): LineParser {
  const event = new TraceEvent();
  const { counts } = ledger;
  const names = createEventNames();

  function parse(bytes: Uint8Array, end: number): void {
    event.bytes = bytes;
    for (let at = 0; at < end; at = readLine(bytes, at) + 1) event.line = ++counts.lines;
  }

  /** Reads a line and returns the position of its newline. */
  function readLine(bytes: Uint8Array, start: number): number {
    const isComment = bytes[start] === HASH && bytes[start + 1] === SPACE;
    const header = isComment ? -1 : readHeader(bytes, start, event);
    if (header < 0) return isComment ? readOther(bytes, start) : readOtherColumns(bytes, start);
    const nameStart = behindPeriod(bytes, spaces(bytes, header));
    const index = names.at(bytes, nameStart);
    return index < 0 ? readUnknown(bytes, start, nameStart) : readEvent(bytes, nameStart, index);
  }

  /** Reads the arguments behind a name and hands on the event. */
  function readEvent(bytes: Uint8Array, nameStart: number, index: number): number {
    const format = names.format(index);
    event.kind = KIND[format] as EventKind;
    const nameEnd = nameStart + names.length(index);
    const form = names.form(index);
    const at = form < ArgumentForm.called ? spaces(bytes, nameEnd) : nameEnd;
    const end = readArguments(bytes, at, event, format, form);
    if (end < 0) {
      const { name, expected } = FORMATS[format]!;
      throw damaged(bytes, nameEnd, `the arguments of ${name} cannot be read`, expected);
    }
    if (event.symbolicAddress) {
      ledger.unused(`${eventNames[event.kind]!} at a symbol`);
    } else {
      counts.eventLines++;
      sink(event);
    }
    return end;
  }

  /** A line with other columns than perf prints unasked: they end where the name of an event begins. */
  function readOtherColumns(bytes: Uint8Array, start: number): number {
    for (let at = firstWord(bytes, start); at >= 0; at = nextWord(bytes, at)) {
      const known = names.at(bytes, at);
      const index = known >= 0 ? known : modifiedName(bytes, at);
      if (index >= 0 && readColumnsBefore(bytes, start, at, event)) return readEvent(bytes, at, index);
    }
    return readOther(bytes, start);
  }

  function modifiedName(bytes: Uint8Array, at: number): number {
    const end = word(bytes, at);
    return bytes[end - 1] === COLON ? names.modified(textOf(bytes, at, end)) : -1;
  }

  /** A line without the columns of an event, or of an event that is not known. */
  function readOther(bytes: Uint8Array, start: number): number {
    const end = textEnd(bytes, start);
    if (bytes[start] === HASH) {
      counts.comments++;
    } else if (lineEnd(bytes, start) === end) {
      counts.blanks++;
    } else if (callChainEntry(bytes, start) >= 0) {
      ledger.unused("call chain");
    } else {
      readRemark(bytes, start, end);
    }
    return end;
  }

  /** What stands beside events in the texts of perf and trace-cmd, or an event of other columns that nobody uses. */
  function readRemark(bytes: Uint8Array, start: number, end: number): void {
    const text = textOf(bytes, start, end);
    const lost = LOST.exec(text);
    if (lost !== null) {
      ledger.lost(Number(lost[1] ?? lost[2] ?? 0));
      ledger.unused("lost events");
      return;
    }
    const name = REMARK.test(text) ? "remark" : unknownName(bytes, start);
    if (name === undefined) throw damaged(bytes, start, "the columns before the event cannot be read", LINE);
    ledger.unused(name);
  }

  /** The name behind columns that can be read, if a time is among them or the name has its subsystem. */
  function unknownName(bytes: Uint8Array, start: number): string | undefined {
    for (let at = firstWord(bytes, start); at >= 0; at = nextWord(bytes, at)) {
      const found = NAME.exec(textOf(bytes, at, word(bytes, at)));
      if (found === null || !readColumnsBefore(bytes, start, at, event)) continue;
      if (event.time >= 0 || found[1] !== undefined) return found[0];
    }
    return undefined;
  }

  /** A line that has the columns but not the name of one of our events. */
  function readUnknown(bytes: Uint8Array, start: number, nameStart: number): number {
    const end = textEnd(bytes, start);
    const nameEnd = word(bytes, nameStart);
    const token = nameEnd < 0 ? "" : textOf(bytes, nameStart, nameEnd);
    const modified = names.modified(token);
    if (modified >= 0) return readEvent(bytes, nameStart, modified);
    const name = /^PERF_RECORD_[A-Z0-9_]+|^[!-~]+(?=:$)/.exec(token)?.[0];
    if (name === undefined) throw damaged(bytes, start, "no event is named", LINE);
    if (name.startsWith("PERF_RECORD_LOST")) {
      const lost = / lost[ :]+(\d{1,15})\s*$/.exec(textOf(bytes, Math.max(nameEnd, end - LONGEST_NAME), end));
      if (lost === null) throw damaged(bytes, start, "the number of lost events cannot be read", "`lost NUMBER`");
      ledger.lost(Number(lost[1]));
    }
    ledger.unused(name);
    return end;
  }

  /** @returns the position of the line's newline; a line that is not read to its end must still be text */
  function textEnd(bytes: Uint8Array, start: number): number {
    const end = restOfLine(bytes, start);
    if (end < 0) throw damaged(bytes, start, "a NUL byte in a line", LINE);
    return end;
  }

  /** The error about a line, of which it shows what stands from a position on. */
  function damaged(bytes: Uint8Array, at: number, what: string, expected: string): KpkeysError {
    const text = quote(bytes, spaces(bytes, at), bytes.indexOf(NEWLINE, at));
    return new KpkeysError("ERR_TRACE_LINE", `${what}: ${text}`, { where: `${path}:${counts.lines}`, expected });
  }

  return { parse, finish: () => undefined };
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, Math.min(end, start + LONGEST_NAME)));
}

function firstWord(bytes: Uint8Array, start: number): number {
  return bytes[start]! > SPACE ? start : nextWord(bytes, start);
}

/** An event that is not a tracepoint has its period in front of its name. */
function behindPeriod(bytes: Uint8Array, at: number): number {
  if (!isDigit(bytes[at]!)) return at;
  const end = digits(bytes, at);
  return bytes[end] === SPACE ? spaces(bytes, end) : at;
}
