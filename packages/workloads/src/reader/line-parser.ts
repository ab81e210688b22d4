import { KpkeysError } from "@kpkeys/core";
import { readArguments } from "./arguments.js";
import { type EventKind, TraceEvent } from "./event.js";
import { eventNames, FORMATS } from "./formats.js";
import { readHeader } from "./header.js";
import { createNameTable } from "./name-table.js";
import { quote } from "./quote.js";
import { callChainEntry, digits, isDigit, lineEnd, NEWLINE, restOfLine, SPACE, spaces, word } from "./scan.js";

/** How many kinds of unused lines are told apart, and how much of their names is read: a trace may hold any number of either. */
const KINDS_OF_UNUSED = 1000;
const LONGEST_NAME = 255;

const HASH = 35;
const LINE = "`comm tid [cpu] seconds.fraction: event: arguments` as perf script prints them";

/** The names as they stand in a line. */
const NAMES = eventNames.map((name) => `${name}:`);
const NAME_LENGTH = Uint8Array.from(NAMES, (name) => name.length);

const decoder = new TextDecoder();

/** What has been read so far: lines = events + comments + blanks + the unused. */
export interface LineCounts {
  /** Lines, whatever they hold. */
  lines: number;
  /** Events handed to the sink. */
  events: number;
  /** Lines that begin with `#`. */
  comments: number;
  /** Lines of spaces or nothing. */
  blanks: number;
  /** Events that perf says it lost while it recorded, so that they are missing between those of the trace. */
  lost: number;
}

/** Turns whole lines into events. */
export interface LineParser {
  /** What has been read so far. */
  readonly counts: Readonly<LineCounts>;
  /**
   * Reads lines and hands on the event of each.
   *
   * @param bytes - the text
   * @param end - where the last line ends: the byte before it is a newline
   * @throws KpkeysError ERR_TRACE_LINE at a line that is damaged
   */
  parse(bytes: Uint8Array, end: number): void;
  /** Counts a line that was too long to be collected. */
  skipLongLine(): void;
  /** @returns how many lines are no event that is handed on, by what they are */
  unused(): Record<string, number>;
}

/**
 * A parser of the lines of `perf script`. Whatever is not the line of an event to hand on is counted by what it is, or refused.
 *
 * @param path - the trace's name for messages
 * @param sink - takes each event; the record is used again for the next
 * @param onLost - takes how many events were lost, where the trace says so
 */
export function createLineParser(
  path: string,
  sink: (event: TraceEvent) => void,
  onLost: (events: number) => void = () => undefined,
): LineParser {
  const event = new TraceEvent();
  const counts: LineCounts = { lines: 0, events: 0, comments: 0, blanks: 0, lost: 0 };
  const kindAt = createNameTable(NAMES);
  const unused = new Map<string, number>();

  function parse(bytes: Uint8Array, end: number): void {
    event.bytes = bytes;
    for (let at = 0; at < end; at = readLine(bytes, at) + 1) event.line = ++counts.lines;
  }

  /** Reads a line and returns the position of its newline. */
  function readLine(bytes: Uint8Array, start: number): number {
    const isComment = bytes[start] === HASH && bytes[start + 1] === SPACE;
    const header = isComment ? -1 : readHeader(bytes, start, event);
    if (header < 0) return readOther(bytes, start);
    const nameStart = behindPeriod(bytes, spaces(bytes, header));
    const kind = kindAt(bytes, nameStart);
    if (kind < 0) return readUnknown(bytes, start, nameStart);

    event.kind = kind as EventKind;
    const nameEnd = nameStart + NAME_LENGTH[kind]!;
    const end = readArguments(bytes, bytes[nameEnd] === SPACE ? nameEnd + 1 : nameEnd, event);
    if (end < 0) {
      const { name, expected } = FORMATS[kind]!;
      throw damaged(bytes, nameEnd, `the arguments of ${name} cannot be read`, expected);
    }
    if (event.symbolicAddress) {
      countUnused(`${eventNames[kind]!} at a symbol`);
    } else {
      counts.events++;
      sink(event);
    }
    return end;
  }

  /** A line without the columns of an event. */
  function readOther(bytes: Uint8Array, start: number): number {
    const end = textEnd(bytes, start);
    if (bytes[start] === HASH) {
      counts.comments++;
    } else if (lineEnd(bytes, start) === end) {
      counts.blanks++;
    } else if (callChainEntry(bytes, start) >= 0) {
      countUnused("call chain");
    } else {
      throw damaged(bytes, start, "the columns before the event cannot be read", LINE);
    }
    return end;
  }

  /** A line that has the columns but not the name of one of our events. */
  function readUnknown(bytes: Uint8Array, start: number, nameStart: number): number {
    const end = textEnd(bytes, start);
    const nameEnd = word(bytes, nameStart);
    const token =
      nameEnd < 0 ? "" : decoder.decode(bytes.subarray(nameStart, Math.min(nameEnd, nameStart + LONGEST_NAME)));
    const name = /^PERF_RECORD_[A-Z0-9_]+|^[!-~]+(?=:$)/.exec(token)?.[0];
    if (name === undefined) throw damaged(bytes, start, "no event is named", LINE);
    if (name.startsWith("PERF_RECORD_LOST")) {
      const lost = / lost[ :]+(\d{1,15})\s*$/.exec(
        decoder.decode(bytes.subarray(Math.max(nameEnd, end - LONGEST_NAME), end)),
      );
      if (lost === null) throw damaged(bytes, start, "the number of lost events cannot be read", "`lost NUMBER`");
      counts.lost += Number(lost[1]);
      onLost(Number(lost[1]));
    }
    countUnused(name);
    return end;
  }

  /** @returns the position of the line's newline; a line that is not read to its end must still be text */
  function textEnd(bytes: Uint8Array, start: number): number {
    const end = restOfLine(bytes, start);
    if (end < 0) throw damaged(bytes, start, "a NUL byte in a line", LINE);
    return end;
  }

  function countUnused(what: string): void {
    const kind = unused.has(what) || unused.size < KINDS_OF_UNUSED ? what : "others";
    unused.set(kind, (unused.get(kind) ?? 0) + 1);
  }

  /** The error about a line, of which it shows what stands from a position on. */
  function damaged(bytes: Uint8Array, at: number, what: string, expected: string): KpkeysError {
    const text = quote(bytes, spaces(bytes, at), bytes.indexOf(NEWLINE, at));
    return new KpkeysError("ERR_TRACE_LINE", `${what}: ${text}`, { where: `${path}:${counts.lines}`, expected });
  }

  return {
    counts,
    parse,
    skipLongLine() {
      counts.lines++;
      countUnused("line over 1 MiB");
    },
    unused: () => Object.fromEntries(unused),
  };
}

/** An event that is not a tracepoint has its period in front of its name. */
function behindPeriod(bytes: Uint8Array, at: number): number {
  if (!isDigit(bytes[at]!)) return at;
  const end = digits(bytes, at);
  return bytes[end] === SPACE ? spaces(bytes, end) : at;
}
