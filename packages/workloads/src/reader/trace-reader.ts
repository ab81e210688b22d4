import { basename } from "node:path";
import { KpkeysError } from "@kpkeys/core";
import { type TraceEvent } from "./event.js";
import { createLedger, CUT_LINE, FAULT_WITHOUT_ADDRESS, type KindCounts, type LineCounts } from "./ledger.js";
import { createLineParser, type LineParser } from "./line-parser.js";
import { createLineBlocks } from "./lines.js";
import { createStraceParser } from "./strace-parser.js";
import type { ReadTraceOptions } from "./read-trace.js";
import { PERF_TRACE } from "./other-lines.js";
import { createHead, type Head, limitsOf, textForm, type TraceForm } from "./text-form.js";

/** What was in a trace. */
export interface TraceSummary extends Readonly<LineCounts> {
  /** The trace's name: its file's, without the endings that all traces have. */
  readonly name: string;
  /** Which tool's text it is. */
  readonly form: TraceForm;
  /** What a text of this kind cannot show of a workload. */
  readonly limits: readonly string[];
  /** Lines that are no event handed on: how many by what they are, most often the name of an event that nobody uses. */
  readonly unused: Record<string, number>;
  /** How many events of each kind were handed on. */
  readonly kinds: KindCounts;
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

const RECORDING =
  "perf script or ftrace text of the tracepoints of mmap, brk, fork, exec, exit and page faults, or strace -f -ttt";

/** What to do about a trace without an event, by what its lines are instead. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  [PERF_TRACE, "the text of perf script; record by `perf record` or `perf trace record`, and print by `perf script`"],
  [
    FAULT_WITHOUT_ADDRESS,
    "page faults with addresses; record by `perf record -d`, and print by `perf script -F +addr`",
  ],
]);

/** What ends the reading of a block of lines behind an event: thrown past the parser, which has counted that event. */
const ENOUGH = new Error("enough was read");

/**
 * The part of the reader that knows no files: bytes in, events out, nothing asynchronous.
 *
 * @param path - where the text comes from, for messages and for the trace's name
 * @param sink - takes each event in turn; the record is one for all
 * @param options - when to end, and whom to tell of events that perf lost
 */
export function createTraceReader(
  path: string,
  sink: (event: TraceEvent) => void,
  { enough, onLost = () => undefined }: Pick<ReadTraceOptions, "enough" | "onLost"> = {},
): TraceReader {
  const ledger = createLedger(onLost);
  const { counts } = ledger;
  let form: TraceForm = "tracepoints";
  let parser: LineParser | undefined;
  let done = false;

  function take(event: TraceEvent): void {
    ledger.event(event);
    sink(event);
    if (enough?.() === true) throw ENOUGH;
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

  /** The first lines decide of which kind all are. */
  function begin(head: string): void {
    form = textForm(head);
    parser = form === "strace" ? createStraceParser(path, ledger, take) : createLineParser(path, head, ledger, take);
  }

  const blocks = createLineBlocks(
    (text, end) => {
      parser!.parse(text, end);
    },
    () => {
      counts.lines++;
      ledger.unused("line over 1 MiB");
    },
  );
  let bytes = 0;
  let head: Head | undefined = createHead();

  function push(chunk: Uint8Array): void {
    bytes += chunk.length;
    if (head === undefined) pushLines(chunk);
    else if (head.push(chunk)) endHead(head);
  }

  /** Reads what was collected. */
  function endHead(collected: Head): void {
    head = undefined;
    begin(collected.text());
    pushLines(collected.bytes());
  }

  function pushLines(chunk: Uint8Array): void {
    untilEnough(() => {
      blocks.push(chunk);
    });
  }

  function finish(): TraceSummary {
    if (head !== undefined) endHead(head);
    if (!done && blocks.cut()) {
      counts.lines++;
      ledger.unused(CUT_LINE);
    }
    parser!.finish();
    if (counts.events === 0) throw emptyTrace();
    return {
      name: traceName(path),
      form,
      limits: limits(),
      ...counts,
      unused: ledger.allUnused(),
      kinds: ledger.kinds(),
      bytes,
    };
  }

  function emptyTrace(): KpkeysError {
    const found = Object.keys(ledger.allUnused()).slice(0, 3);
    const but = found.length === 0 ? "" : ` (but ${found.join(", ")})`;
    const remedy = found.find((what) => REMEDIES.has(what));
    const expected = remedy === undefined ? RECORDING : REMEDIES.get(remedy)!;
    return new KpkeysError("ERR_TRACE_EMPTY", `no event in ${counts.lines} lines${but}`, { where: path, expected });
  }

  function limits(): readonly string[] {
    if (counts.unsampled === 0) return limitsOf(form);
    const missing = `${counts.unsampled.toLocaleString("en-US")} page faults are in no sample of their own: record with \`perf record -c 1\``;
    return [missing, ...limitsOf(form)];
  }

  return { push, finish, lines: () => counts.lines, done: () => done };
}

/** @returns the file's name without the endings that all traces have */
function traceName(path: string): string {
  const name = basename(path);
  return name.replace(/(\.perf-script)?(\.txt)?(\.gz)?$/, "") || name;
}
