import { KpkeysError, quote } from "@kpkeys/core";
import { readArguments } from "./arguments.js";
import { readColumnsBefore } from "./columns.js";
import { EventKind, TraceEvent } from "./event.js";
import { EventFilter, FaultSource } from "./event-filter.js";
import { ArgumentForm, type EventFormat, FORMATS } from "./formats.js";
import { readHeader } from "./header.js";
import { FAULT_WITHOUT_ADDRESS, type Ledger, type LineCounts } from "./ledger.js";
import { EventNames, nextWord } from "./names.js";
import { otherLine, PERF_TRACE } from "./other-lines.js";
import { RawCalls } from "./raw-calls.js";
import { callChainEntry, decimal, digits, isDigit, lineEnd, NEWLINE, NUL, SPACE, spaces, word } from "./scan.js";
import { ThreadStates } from "./thread-states.js";

/** Bytes read of an unknown name, which may have any length. */
const LONGEST_NAME = 255;

/** Maximum offset of a name in a line: the columns before it are shorter. */
const FARTHEST_NAME = 4096;

const HASH = 35;
const COLON = 58;
const LINE = "`comm tid [cpu] seconds.fraction: event: arguments` as perf script prints them";

/** The name of an unknown event, with an optional subsystem. */
const NAME = /^[A-Za-z_][\w-]*(:[A-Za-z_][\w-]*)?(?=[:(\s]|$)/;

const LOST = /^(?:CPU:? ?\d+ \[(?:LOST (\d+) EVENTS|(\d+) EVENTS DROPPED|EVENTS DROPPED)\]|LOST (\d+) events!)/;

/** A CPU or a time, which only the columns of an event have. A line with an event name and one of these is a damaged event. */
const LIKE_COLUMNS = /\[\d+\]?\s|\d\.\d+:/;

const FAULT_SAMPLE = EventKind.page_fault;

const KIND = Uint8Array.from(FORMATS, ({ kind }) => kind);

/** The source of a page fault by format; 0 for other events. */
const SOURCE = Uint8Array.from(FORMATS, ({ name, form }) => {
  if (form === ArgumentForm.fault) return FaultSource.exceptions;
  if (form !== ArgumentForm.sample) return 0;
  return /^m/.test(name) ? FaultSource.parts : FaultSource.all;
});

/** Whether an event is a raw_syscalls event, by format. */
const BY_NUMBER = Uint8Array.from(FORMATS, ({ form }) =>
  form === ArgumentForm.anyEnter || form === ArgumentForm.anyExit ? 1 : 0,
);

const decoder = new TextDecoder();

/** Parses whole lines into events. */
export interface LineParser {
  /**
   * Reads lines and passes their events to the sink.
   *
   * @param bytes - the text
   * @param end - the end of the last line, after its newline
   * @throws KpkeysError ERR_TRACE_LINE for a damaged event
   */
  parse(bytes: Uint8Array, end: number): void;
  /** Ends the text: counts the lines of unfinished calls. */
  finish(): void;
}

/**
 * Parses the lines of `perf script`, and of the texts of ftrace and trace-cmd for the same tracepoints. Lines without an event for the
 * sink are counted by description. A damaged event is an error.
 */
export class TracepointParser implements LineParser {
  private readonly event = new TraceEvent();
  private readonly counts: LineCounts;
  private readonly names = new EventNames();
  private readonly filter: EventFilter;
  private readonly rawCalls: RawCalls;
  /** Whether the lines since the last blank line are an event and its call chain. */
  private inChain = false;

  /**
   * @param path - the trace, for errors
   * @param head - the first lines of the trace
   * @param ledger - counts the lines
   * @param sink - called for each event; the record is reused for the next
   */
  constructor(
    private readonly path: string,
    head: string,
    private readonly ledger: Ledger,
    private readonly sink: (event: TraceEvent) => void,
  ) {
    this.counts = ledger.counts;
    const threads = new ThreadStates();
    this.filter = new EventFilter(threads, ledger);
    this.rawCalls = new RawCalls(threads, head);
  }

  parse(bytes: Uint8Array, end: number): void {
    this.event.bytes = bytes;
    for (let at = 0; at < end; at = this.readLine(bytes, at) + 1) this.event.line = ++this.counts.lines;
  }

  /** Does nothing: every event is on one line. */
  finish(): void {}

  /** Reads a line. @returns the position of its newline */
  private readLine(bytes: Uint8Array, start: number): number {
    const isComment = bytes[start] === HASH && bytes[start + 1] === SPACE;
    const header = isComment ? -1 : readHeader(bytes, start, this.event);
    if (header < 0) return isComment ? this.readOther(bytes, start) : this.readOtherColumns(bytes, start);
    const nameStart = afterPeriod(bytes, spaces(bytes, header), this.event);
    const index = this.names.at(bytes, nameStart);
    return index < 0 ? this.readUnknown(bytes, start, nameStart) : this.readEvent(bytes, nameStart, index);
  }

  /** Reads the arguments after a name and passes the event to the sink. */
  private readEvent(bytes: Uint8Array, nameStart: number, index: number): number {
    const format = this.names.format(index);
    const end = this.readKnown(bytes, nameStart, index, format);
    if (end < 0) {
      const { name, expected } = FORMATS[format]!;
      throw this.damaged(bytes, nameStart + this.names.length(index), `cannot read the arguments of ${name}`, expected);
    }
    this.inChain = true;
    const reason = this.skipReason(format);
    if (reason !== undefined) this.ledger.unused(reason);
    else {
      this.counts.eventLines++;
      if (this.event.kind === FAULT_SAMPLE) this.counts.unsampled += Math.max(0, this.event.period - 1);
      this.sink(this.event);
    }
    return end;
  }

  private readKnown(bytes: Uint8Array, nameStart: number, index: number, format: number): number {
    this.event.kind = KIND[format] as EventKind;
    const nameEnd = nameStart + this.names.length(index);
    const form = this.names.form(index);
    // The widths of a sample's columns distinguish them; they begin one space after the name.
    if (form === ArgumentForm.sample) return readArguments(bytes, nameEnd + 1, this.event, format, form);
    const isCalled = (form & ~1) === ArgumentForm.called;
    return readArguments(bytes, isCalled ? nameEnd : spaces(bytes, nameEnd), this.event, format, form);
  }

  /** The reason to skip an event, or `undefined`. */
  private skipReason(format: number): string | undefined {
    if (this.event.unknownAddress) return withoutAddress(FORMATS[format]!);
    if (BY_NUMBER[format] === 0) return this.filter.skipReason(this.event, SOURCE[format]!, false);
    return (
      this.rawCalls.skipReason(this.event, FORMATS[format]!.form === ArgumentForm.anyExit) ??
      this.filter.skipReason(this.event, 0, true)
    );
  }

  /** Reads a line without the default columns of perf. The columns end at the name of an event. */
  private readOtherColumns(bytes: Uint8Array, start: number): number {
    let first = -1;
    let firstIndex = -1;
    const farthest = start + FARTHEST_NAME;
    for (let at = firstWord(bytes, start); at >= 0 && at < farthest; at = nextWord(bytes, at)) {
      const known = this.names.at(bytes, at);
      const index = known >= 0 ? known : this.modifiedName(bytes, at);
      if (index < 0) continue;
      if (readColumnsBefore(bytes, start, at, this.event)) {
        if (bytes.subarray(start, at).includes(NUL)) throw this.damaged(bytes, start, "a NUL byte in a line", LINE);
        return this.readEvent(bytes, at, index);
      }
      if (first >= 0) continue;
      first = at;
      firstIndex = index;
    }
    if (first >= 0 && this.isDamaged(bytes, start, first, firstIndex))
      throw this.damaged(bytes, start, "cannot read the columns before the event", LINE);
    return this.readOther(bytes, start);
  }

  /** Whether a line with an event name is a damaged event: part of its columns or its arguments can be read. */
  private isDamaged(bytes: Uint8Array, start: number, nameStart: number, index: number): boolean {
    const columns = decoder.decode(bytes.subarray(Math.max(start, nameStart - LONGEST_NAME), nameStart));
    return LIKE_COLUMNS.test(columns) || this.readKnown(bytes, nameStart, index, this.names.format(index)) >= 0;
  }

  private modifiedName(bytes: Uint8Array, at: number): number {
    const end = word(bytes, at);
    return bytes[end - 1] === COLON ? this.names.modified(textOf(bytes, at, end)) : -1;
  }

  /** Reads a line without the columns of an event, or a line of an unknown event. */
  private readOther(bytes: Uint8Array, start: number): number {
    const end = bytes.indexOf(NEWLINE, start);
    if (bytes[start] === HASH) {
      this.counts.comments++;
    } else if (lineEnd(bytes, start) === end) {
      this.counts.blanks++;
      this.inChain = false;
    } else if (callChainEntry(bytes, start) >= 0) {
      this.ledger.unused("call chain");
    } else {
      this.readRemark(bytes, start, end);
    }
    return end;
  }

  /** Counts a message in the text of perf or trace-cmd, or an unknown event without the default columns. */
  private readRemark(bytes: Uint8Array, start: number, end: number): void {
    const text = textOf(bytes, start, end);
    const lost = LOST.exec(text);
    if (lost !== null) {
      this.ledger.lost(Number(lost[1] ?? lost[2] ?? lost[3] ?? 0));
      this.ledger.unused("lost events");
      return;
    }
    const other = otherLine(text, this.inChain);
    const what = other === "kernel log" || other === undefined ? (this.unknownName(bytes, start) ?? other) : other;
    if (what === undefined) this.ledger.unreadable("line of no known form");
    else if (what === PERF_TRACE) this.ledger.unreadable(PERF_TRACE);
    else this.ledger.unused(what);
  }

  /** The first name after readable columns, if these include a time or the name has a subsystem. */
  private unknownName(bytes: Uint8Array, start: number): string | undefined {
    const farthest = start + FARTHEST_NAME;
    for (let at = firstWord(bytes, start); at >= 0 && at < farthest; at = nextWord(bytes, at)) {
      const found = NAME.exec(textOf(bytes, at, word(bytes, at)));
      if (found === null || !readColumnsBefore(bytes, start, at, this.event)) continue;
      if (this.event.time >= 0 || found[1] !== undefined) return found[0];
    }
    return undefined;
  }

  /** Reads a line with the default columns and an unknown name. */
  private readUnknown(bytes: Uint8Array, start: number, nameStart: number): number {
    const end = bytes.indexOf(NEWLINE, start);
    const nameEnd = word(bytes, nameStart);
    const token = nameEnd < 0 ? "" : textOf(bytes, nameStart, nameEnd);
    const modified = this.names.modified(token);
    if (modified >= 0) return this.readEvent(bytes, nameStart, modified);
    const name = /^PERF_RECORD_[A-Z0-9_]+|^[!-~]+(?=:$)/.exec(token)?.[0];
    if (name === undefined) return this.readOtherColumns(bytes, start);
    if (name.startsWith("PERF_RECORD_LOST")) {
      const lost = / lost(?: samples)?[ :]+(\d{1,15})\s*$/.exec(
        textOf(bytes, Math.max(nameEnd, end - LONGEST_NAME), end),
      );
      if (lost === null) throw this.damaged(bytes, start, "cannot read the number of lost events", "`lost NUMBER`");
      this.ledger.lost(Number(lost[1]));
    }
    this.inChain = true;
    this.ledger.unused(name);
    return end;
  }

  /** The error for a damaged line. It quotes the line from a position on. */
  private damaged(bytes: Uint8Array, at: number, what: string, expected: string): KpkeysError {
    const text = textOf(bytes, spaces(bytes, at), bytes.indexOf(NEWLINE, at));
    return new KpkeysError("ERR_TRACE_LINE", `${what}: ${quote(text)}`, {
      where: `${this.path}:${this.counts.lines}`,
      expected,
    });
  }
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

/** Reads the period of a sample, which is before its name. */
function afterPeriod(bytes: Uint8Array, at: number, event: TraceEvent): number {
  event.period = 1;
  if (!isDigit(bytes[at]!)) return at;
  const end = digits(bytes, at);
  if (bytes[end] !== SPACE) return at;
  event.period = decimal(bytes, at, end);
  return spaces(bytes, end);
}
