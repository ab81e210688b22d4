import { KpkeysError } from "@kpkeys/core";
import { readArguments } from "./arguments.js";
import { readColumnsBefore } from "./columns.js";
import { EventKind, TraceEvent } from "./event.js";
import { ArgumentForm, type EventFormat, FORMATS } from "./formats.js";
import { readHeader } from "./header.js";
import { FAULT_WITHOUT_ADDRESS, type Ledger } from "./ledger.js";
import { createEventNames, nextWord } from "./names.js";
import { createOnce, FaultSource } from "./once.js";
import { otherLine, PERF_TRACE } from "./other-lines.js";
import { quote } from "./quote.js";
import { createRawCalls } from "./raw-calls.js";
import { callChainEntry, decimal, digits, isDigit, lineEnd, NEWLINE, NUL, SPACE, spaces, word } from "./scan.js";
import { createThreadStates } from "./thread-states.js";

/** How much of a name is read that is not known: a trace may hold one of any length. */
const LONGEST_NAME = 255;

/** Where at the farthest a name begins in a line: the columns before it are shorter. */
const FARTHEST_NAME = 4096;

const HASH = 35;
const COLON = 58;
const LINE = "`comm tid [cpu] seconds.fraction: event: arguments` as perf script prints them";

/** The name of an event that is not known, with its subsystem where the line has one. */
const NAME = /^[A-Za-z_][\w-]*(:[A-Za-z_][\w-]*)?(?=[:(\s]|$)/;

const LOST = /^(?:CPU:? ?\d+ \[(?:LOST (\d+) EVENTS|(\d+) EVENTS DROPPED|EVENTS DROPPED)\]|LOST (\d+) events!)/;

/** What only the columns of an event look like: a CPU or a time. A line with the name of an event and one of these is a damaged event. */
const LIKE_COLUMNS = /\[\d+\]?\s|\d\.\d+:/;

const FAULT_SAMPLE = EventKind.page_fault;

const KIND = Uint8Array.from(FORMATS, ({ kind }) => kind);

/** Which event reports a page fault, by format; 0 for what is no fault. */
const SOURCE = Uint8Array.from(FORMATS, ({ name, form }) => {
  if (form === ArgumentForm.fault) return FaultSource.exceptions;
  if (form !== ArgumentForm.sample) return 0;
  return /^m/.test(name) ? FaultSource.parts : FaultSource.all;
});

/** Whether an event is one of any system call, by format. */
const BY_NUMBER = Uint8Array.from(FORMATS, ({ form }) =>
  form === ArgumentForm.anyEnter || form === ArgumentForm.anyExit ? 1 : 0,
);

const decoder = new TextDecoder();

/** Turns whole lines into events. */
export interface LineParser {
  /**
   * Reads lines and hands on the event of each.
   *
   * @param bytes - the text
   * @param end - where the last line ends: the byte before it is a newline
   * @throws KpkeysError ERR_TRACE_LINE at an event that is damaged
   */
  parse(bytes: Uint8Array, end: number): void;
  /** Ends the text: counts lines that waited for others. */
  finish(): void;
}

/**
 * A parser of the lines of `perf script`, and of ftrace's and trace-cmd's texts of the same tracepoints. A line that is not an event
 * to hand on is counted by what it is; an event that is damaged is refused.
 *
 * @param path - the trace's name for messages
 * @param head - the first lines of the trace
 * @param ledger - where lines are counted
 * @param sink - takes each event; the record is used again for the next
 */
export function createLineParser(
  path: string,
  head: string,
  ledger: Ledger,
  sink: (event: TraceEvent) => void,
): LineParser {
  const event = new TraceEvent();
  const { counts } = ledger;
  const names = createEventNames();
  const threads = createThreadStates();
  const once = createOnce(threads, ledger);
  const rawCalls = createRawCalls(threads, head);
  /** Whether the lines back to the last blank one are an event and its call chain. */
  let inChain = false;

  function parse(bytes: Uint8Array, end: number): void {
    event.bytes = bytes;
    for (let at = 0; at < end; at = readLine(bytes, at) + 1) event.line = ++counts.lines;
  }

  /** Reads a line and returns the position of its newline. */
  function readLine(bytes: Uint8Array, start: number): number {
    const isComment = bytes[start] === HASH && bytes[start + 1] === SPACE;
    const header = isComment ? -1 : readHeader(bytes, start, event);
    if (header < 0) return isComment ? readOther(bytes, start) : readOtherColumns(bytes, start);
    const nameStart = behindPeriod(bytes, spaces(bytes, header), event);
    const index = names.at(bytes, nameStart);
    return index < 0 ? readUnknown(bytes, start, nameStart) : readEvent(bytes, nameStart, index);
  }

  /** Reads the arguments behind a name and hands on the event. */
  function readEvent(bytes: Uint8Array, nameStart: number, index: number): number {
    const format = names.format(index);
    const end = readKnown(bytes, nameStart, index, format);
    if (end < 0) {
      const { name, expected } = FORMATS[format]!;
      throw damaged(bytes, nameStart + names.length(index), `the arguments of ${name} cannot be read`, expected);
    }
    inChain = true;
    const reason = refusal(format);
    if (reason !== undefined) ledger.unused(reason);
    else {
      counts.eventLines++;
      if (event.kind === FAULT_SAMPLE) counts.unsampled += Math.max(0, event.period - 1);
      sink(event);
    }
    return end;
  }

  function readKnown(bytes: Uint8Array, nameStart: number, index: number, format: number): number {
    event.kind = KIND[format] as EventKind;
    const nameEnd = nameStart + names.length(index);
    const form = names.form(index);
    // The columns of a sample are told apart by their widths, from the one space behind the name on.
    if (form === ArgumentForm.sample) return readArguments(bytes, nameEnd + 1, event, format, form);
    const isCalled = (form & ~1) === ArgumentForm.called;
    return readArguments(bytes, isCalled ? nameEnd : spaces(bytes, nameEnd), event, format, form);
  }

  /** Why an event that has been read is not handed on. */
  function refusal(format: number): string | undefined {
    if (event.unknownAddress) return withoutAddress(FORMATS[format]!);
    if (BY_NUMBER[format] === 0) return once.refusal(event, SOURCE[format]!, false);
    return rawCalls.refusal(event, FORMATS[format]!.form === ArgumentForm.anyExit) ?? once.refusal(event, 0, true);
  }

  /** A line with other columns than perf prints unasked: they end where the name of an event begins. */
  function readOtherColumns(bytes: Uint8Array, start: number): number {
    let first = -1;
    let firstIndex = -1;
    const farthest = start + FARTHEST_NAME;
    for (let at = firstWord(bytes, start); at >= 0 && at < farthest; at = nextWord(bytes, at)) {
      const known = names.at(bytes, at);
      const index = known >= 0 ? known : modifiedName(bytes, at);
      if (index < 0) continue;
      if (readColumnsBefore(bytes, start, at, event)) {
        if (bytes.subarray(start, at).includes(NUL)) throw damaged(bytes, start, "a NUL byte in a line", LINE);
        return readEvent(bytes, at, index);
      }
      if (first >= 0) continue;
      first = at;
      firstIndex = index;
    }
    if (first >= 0 && isDamaged(bytes, start, first, firstIndex))
      throw damaged(bytes, start, "the columns before the event cannot be read", LINE);
    return readOther(bytes, start);
  }

  /** Whether columns that cannot be read were once those of an event: part of them can, or the arguments behind the name can. */
  function isDamaged(bytes: Uint8Array, start: number, nameStart: number, index: number): boolean {
    const columns = decoder.decode(bytes.subarray(Math.max(start, nameStart - LONGEST_NAME), nameStart));
    return LIKE_COLUMNS.test(columns) || readKnown(bytes, nameStart, index, names.format(index)) >= 0;
  }

  function modifiedName(bytes: Uint8Array, at: number): number {
    const end = word(bytes, at);
    return bytes[end - 1] === COLON ? names.modified(textOf(bytes, at, end)) : -1;
  }

  /** A line without the columns of an event, or of an event that is not known. */
  function readOther(bytes: Uint8Array, start: number): number {
    const end = bytes.indexOf(NEWLINE, start);
    if (bytes[start] === HASH) {
      counts.comments++;
    } else if (lineEnd(bytes, start) === end) {
      counts.blanks++;
      inChain = false;
    } else if (callChainEntry(bytes, start) >= 0) {
      ledger.unused("call chain");
    } else {
      readRemark(bytes, start, end);
    }
    return end;
  }

  /** What stands next to events in the texts of perf and trace-cmd, or an event of other columns that no machine uses. */
  function readRemark(bytes: Uint8Array, start: number, end: number): void {
    const text = textOf(bytes, start, end);
    const lost = LOST.exec(text);
    if (lost !== null) {
      ledger.lost(Number(lost[1] ?? lost[2] ?? lost[3] ?? 0));
      ledger.unused("lost events");
      return;
    }
    const other = otherLine(text, inChain);
    const what = other === "kernel log" || other === undefined ? (unknownName(bytes, start) ?? other) : other;
    if (what === undefined) ledger.unreadable("line of no known form");
    else if (what === PERF_TRACE) ledger.unreadable(PERF_TRACE);
    else ledger.unused(what);
  }

  /** The name behind columns that can be read, if a time is among them or the name has its subsystem. */
  function unknownName(bytes: Uint8Array, start: number): string | undefined {
    const farthest = start + FARTHEST_NAME;
    for (let at = firstWord(bytes, start); at >= 0 && at < farthest; at = nextWord(bytes, at)) {
      const found = NAME.exec(textOf(bytes, at, word(bytes, at)));
      if (found === null || !readColumnsBefore(bytes, start, at, event)) continue;
      if (event.time >= 0 || found[1] !== undefined) return found[0];
    }
    return undefined;
  }

  /** A line that has the columns but not the name of one of our events. */
  function readUnknown(bytes: Uint8Array, start: number, nameStart: number): number {
    const end = bytes.indexOf(NEWLINE, start);
    const nameEnd = word(bytes, nameStart);
    const token = nameEnd < 0 ? "" : textOf(bytes, nameStart, nameEnd);
    const modified = names.modified(token);
    if (modified >= 0) return readEvent(bytes, nameStart, modified);
    const name = /^PERF_RECORD_[A-Z0-9_]+|^[!-~]+(?=:$)/.exec(token)?.[0];
    if (name === undefined) return readOtherColumns(bytes, start);
    if (name.startsWith("PERF_RECORD_LOST")) {
      const lost = / lost(?: samples)?[ :]+(\d{1,15})\s*$/.exec(
        textOf(bytes, Math.max(nameEnd, end - LONGEST_NAME), end),
      );
      if (lost === null) throw damaged(bytes, start, "the number of lost events cannot be read", "`lost NUMBER`");
      ledger.lost(Number(lost[1]));
    }
    inChain = true;
    ledger.unused(name);
    return end;
  }

  /** The error about a line, of which it shows what stands from a position on. */
  function damaged(bytes: Uint8Array, at: number, what: string, expected: string): KpkeysError {
    const text = quote(bytes, spaces(bytes, at), bytes.indexOf(NEWLINE, at));
    return new KpkeysError("ERR_TRACE_LINE", `${what}: ${text}`, { where: `${path}:${counts.lines}`, expected });
  }

  return { parse, finish: () => undefined };
}

function withoutAddress({ name, form }: EventFormat): string {
  return form === ArgumentForm.sample ? FAULT_WITHOUT_ADDRESS : `${name} at a symbol`;
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return decoder.decode(bytes.subarray(start, Math.min(end, start + LONGEST_NAME)));
}

function firstWord(bytes: Uint8Array, start: number): number {
  return bytes[start]! > SPACE ? start : nextWord(bytes, start);
}

/** A sample has its period in front of its name. */
function behindPeriod(bytes: Uint8Array, at: number, event: TraceEvent): number {
  event.period = 1;
  if (!isDigit(bytes[at]!)) return at;
  const end = digits(bytes, at);
  if (bytes[end] !== SPACE) return at;
  event.period = decimal(bytes, at, end);
  return spaces(bytes, end);
}
