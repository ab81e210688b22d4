import { createLineBlocks, KpkeysError } from "@kpkeys/core";
import { type TraceEvent } from "./event.js";
import {
  createLedger,
  CUT_LINE,
  FAULT_WITHOUT_ADDRESS,
  type KindCounts,
  type Ledger,
  type LineCounts,
} from "./ledger.js";
import { type LineParser, TracepointParser } from "./line-parser.js";
import { StraceParser } from "./strace-parser.js";
import { PERF_TRACE } from "./other-lines.js";
import { createHead, type Head, limitsOf, textForm, type TraceForm } from "./text-form.js";

/** How a trace is read. */
export interface ReadTraceOptions {
  /**
   * Called now and then, some hundred times for a large file.
   *
   * @param consumed - bytes of the file read so far, compressed where it is
   * @param size - the file's size in bytes, 0 when it has none (a pipe)
   */
  readonly onProgress?: (consumed: number, size: number) => void;
  /**
   * Called where the trace says that events were lost.
   *
   * @param events - how many
   */
  readonly onLost?: (events: number) => void;
  /** Asked behind each event whether that was the last one to be read, and now and then where no events are. What follows is not looked at. */
  readonly enough?: () => boolean;
}

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
 * @param options - when to end, and what to call for events that perf lost
 */
export function createTraceReader(
  path: string,
  sink: (event: TraceEvent) => void,
  options: Pick<ReadTraceOptions, "enough" | "onLost"> = {},
): TraceReader {
  return new TraceReader(path, sink, options);
}

/** Reads a trace that arrives in pieces. */
export class TraceReader {
  private readonly enough: ReadTraceOptions["enough"];
  private readonly ledger: Ledger;
  private form: TraceForm = "tracepoints";
  private parser: LineParser | undefined;
  /** What was pushed so far, until it is enough to know the form. */
  private head: Head | undefined = createHead();
  private readonly blocks = createLineBlocks(
    (text, end) => {
      this.parser!.parse(text, end);
    },
    () => {
      this.countLine("line over 1 MiB");
    },
  );
  private bytes = 0;
  private ended = false;

  /** @internal */
  constructor(
    private readonly path: string,
    private readonly sink: (event: TraceEvent) => void,
    { enough, onLost = () => undefined }: Pick<ReadTraceOptions, "enough" | "onLost">,
  ) {
    this.enough = enough;
    this.ledger = createLedger(onLost);
  }

  /**
   * Takes the next bytes of the text, wherever they are cut, and hands on the events of the lines that end in them.
   *
   * @throws KpkeysError ERR_TRACE_LINE at a damaged line; nothing may be pushed after that
   */
  push(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    if (this.head === undefined) this.pushLines(chunk);
    else if (this.head.push(chunk)) this.endHead(this.head);
  }

  /**
   * Ends the text.
   *
   * @returns what was in it
   * @throws KpkeysError ERR_TRACE_LINE when the last line is damaged, ERR_TRACE_EMPTY when there was no event
   */
  finish(): TraceSummary {
    const { ledger } = this;
    if (this.head !== undefined) this.endHead(this.head);
    if (!this.ended && this.blocks.cut()) this.countLine(CUT_LINE);
    this.parser!.finish();
    if (ledger.counts.events === 0) throw this.emptyTrace();
    return {
      name: traceName(this.path),
      form: this.form,
      limits: this.limits(),
      ...ledger.counts,
      unused: ledger.allUnused(),
      kinds: ledger.kinds(),
      bytes: this.bytes,
    };
  }

  /** @returns how many lines have been read so far */
  lines(): number {
    return this.ledger.counts.lines;
  }

  /** @returns whether enough was read; what is pushed from then on is ignored */
  done(): boolean {
    return this.ended;
  }

  /** The first lines decide the form of all: the parser is made with them, and reads what was collected. */
  private endHead(head: Head): void {
    const { path, ledger } = this;
    const take = (event: TraceEvent): void => {
      this.take(event);
    };
    const text = head.text();
    this.head = undefined;
    this.form = textForm(text);
    this.parser =
      this.form === "strace" ? new StraceParser(path, ledger, take) : new TracepointParser(path, text, ledger, take);
    this.pushLines(head.bytes());
  }

  private pushLines(chunk: Uint8Array): void {
    if (this.ended) return;
    try {
      this.blocks.push(chunk);
    } catch (thrown) {
      if (thrown !== ENOUGH) throw thrown;
      this.ended = true;
    }
  }

  private take(event: TraceEvent): void {
    this.ledger.event(event);
    this.sink(event);
    if (this.enough?.() === true) throw ENOUGH;
  }

  private countLine(unused: string): void {
    this.ledger.counts.lines++;
    this.ledger.unused(unused);
  }

  private emptyTrace(): KpkeysError {
    const found = Object.keys(this.ledger.allUnused()).slice(0, 3);
    const but = found.length === 0 ? "" : ` (but ${found.join(", ")})`;
    const remedy = found.find((what) => REMEDIES.has(what));
    const expected = remedy === undefined ? RECORDING : REMEDIES.get(remedy)!;
    return new KpkeysError("ERR_TRACE_EMPTY", `no event in ${this.lines()} lines${but}`, {
      where: this.path,
      expected,
    });
  }

  private limits(): readonly string[] {
    const { unsampled } = this.ledger.counts;
    if (unsampled === 0) return limitsOf(this.form);
    const missing = `${unsampled.toLocaleString("en-US")} page faults are in no sample of their own: record with \`perf record -c 1\``;
    return [missing, ...limitsOf(this.form)];
  }
}

/** @returns the file's name without the endings that all traces have */
function traceName(path: string): string {
  const name = path.split(/[/\\]/).at(-1)!;
  return name.replace(/(\.perf-script)?(\.txt)?(\.gz)?$/, "") || name;
}
