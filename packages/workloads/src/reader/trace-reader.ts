import { basename } from "node:path";
import { KpkeysError } from "@kpkeys/core";
import { type TraceEvent } from "./event.js";
import { createLineParser, type LineCounts } from "./line-parser.js";
import { createLineBlocks } from "./lines.js";

/** What was in a trace. */
export interface TraceSummary extends Readonly<LineCounts> {
  /** The trace's name: its file's, without the endings that all traces have. */
  readonly name: string;
  /** Lines that are no event handed on: how many by what they are, most often the name of an event that nobody uses. */
  readonly unused: Record<string, number>;
  /** Bytes of text, unpacked, to the end of the chunk in which reading ended. */
  readonly bytes: number;
}

/** Reads a trace that arrives in pieces. */
export interface TraceReader {
  /**
   * Takes the next bytes of the text, wherever they are cut, and hands on the events of the lines that end in them.
   *
   * @throws KpkeysError ERR_TRACE_LINE at a damaged line; nothing may be pushed after that
   */
  push(chunk: Uint8Array): void;
  /**
   * Ends the text.
   *
   * @returns what was in it
   * @throws KpkeysError ERR_TRACE_LINE when the last line is damaged, ERR_TRACE_EMPTY when there was no event
   */
  finish(): TraceSummary;
  /** @returns how many lines have been read so far */
  lines(): number;
  /** @returns whether enough was read; whatever is pushed from then on is left alone */
  done(): boolean;
}

/** What ends the reading of a block of lines behind an event: thrown past the parser, which has counted that event. */
const ENOUGH = new Error("enough was read");

/**
 * The part of the reader that knows no files: bytes in, events out, nothing asynchronous.
 *
 * @param path - where the text comes from, for messages and for the trace's name
 * @param sink - takes each event in turn; the record is one for all
 * @param enough - asked behind each event whether that was the last one to be read; all are if left out
 */
export function createTraceReader(
  path: string,
  sink: (event: TraceEvent) => void,
  enough?: () => boolean,
): TraceReader {
  let done = false;

  function sinkUntilEnough(event: TraceEvent): void {
    sink(event);
    if (enough!()) throw ENOUGH;
  }

  function untilEnough(read: () => void): void {
    if (done) return;
    try {
      read();
    } catch (thrown) {
      if (thrown !== ENOUGH) throw thrown;
      done = true;
    }
  }

  const parser = createLineParser(path, enough === undefined ? sink : sinkUntilEnough);
  const blocks = createLineBlocks(
    (text, end) => {
      parser.parse(text, end);
    },
    () => {
      parser.skipLongLine();
    },
  );
  const { counts } = parser;
  let bytes = 0;

  function push(chunk: Uint8Array): void {
    bytes += chunk.length;
    untilEnough(() => {
      blocks.push(chunk);
    });
  }

  function finish(): TraceSummary {
    untilEnough(() => {
      blocks.finish();
    });
    if (counts.events === 0) {
      const found = Object.keys(parser.unused()).slice(0, 3).join(", ");
      throw new KpkeysError("ERR_TRACE_EMPTY", `no event in ${counts.lines} lines${found && ` (but ${found})`}`, {
        where: path,
        expected: "perf script of the tracepoints of mmap, brk, fork, exec, exit and page faults",
      });
    }
    return { name: traceName(path), ...counts, unused: parser.unused(), bytes };
  }

  return { push, finish, lines: () => counts.lines, done: () => done };
}

/** @returns the file's name without the endings that all traces have */
function traceName(path: string): string {
  const name = basename(path);
  return name.replace(/(\.perf-script)?(\.txt)?(\.gz)?$/, "") || name;
}
