import { createLineBlocks, KpkeysError } from "@kpkeys/core";
import { type TraceEvent } from "./event.js";
import { CUT_LINE, FAULT_WITHOUT_ADDRESS, type KindCounts, Ledger, type LineCounts } from "./ledger.js";
import { type LineParser, TracepointParser } from "./line-parser.js";
import { StraceParser } from "./strace-parser.js";
import { PERF_TRACE } from "./other-lines.js";
import { Head, limitsOf, textForm, type TraceForm } from "./text-form.js";

/** Options for reading a trace. */
export interface ReadTraceOptions {
  /**
   * Called after each block of the file: a few hundred times for a large file.
   *
   * @param consumed - bytes of the file read so far, before unpacking
   * @param size - size of the file in bytes; 0 for a pipe or a stream
   */
  readonly onProgress?: (consumed: number, size: number) => void;
  /**
   * Called where the trace reports lost events.
   *
   * @param events - number of lost events
   */
  readonly onLost?: (events: number) => void;
  /** Called after each event, and after each block of the file. True ends the reading; the rest of the trace is not read. */
  readonly enough?: () => boolean;
}

/** The summary of a trace. */
export interface TraceSummary extends Readonly<LineCounts> {
  /** Name of the trace: the file name without the common endings. */
  readonly name: string;
  /** The tool that printed the text. */
  readonly form: TraceForm;
  /** Limits of this form of text, in sentences. */
  readonly limits: readonly string[];
  /** Number of lines without an event for the sink, by description. For an event that is not used it is the name of the event. */
  readonly unused: Record<string, number>;
  /** Number of events passed to the sink, by kind. */
  readonly kinds: KindCounts;
  /** Bytes of unpacked text, up to the end of the last chunk. */
  readonly bytes: number;
}

const RECORDING =
  "perf script or ftrace text of the tracepoints of mmap, brk, fork, exec, exit and page faults, or strace -f -ttt";

/** Remedies for a trace without an event, by the description of its lines. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  [PERF_TRACE, "the text of perf script: record with `perf record` or `perf trace record`, print with `perf script`"],
  [
    FAULT_WITHOUT_ADDRESS,
    "page faults with addresses: record with `perf record -d`, print with `perf script -F +addr`",
  ],
]);

/** Thrown through the parser to end the reading after an event. The parser has counted that event. */
const ENOUGH = new Error("enough was read");

/** Reads a trace from chunks of bytes: the synchronous part of the reader, bytes in, events out. */
export class TraceReader {
  private readonly enough: ReadTraceOptions["enough"];
  private readonly ledger: Ledger;
  private form: TraceForm = "tracepoints";
  private parser: LineParser | undefined;
  /** The chunks so far, until the form is known. */
  private head: Head | undefined = new Head();
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

  /**
   * @param path - origin of the text, for errors and for the trace's name
   * @param sink - called for each event in order; the record is reused
   * @param options - when to end, and a function for lost events
   */
  constructor(
    private readonly path: string,
    private readonly sink: (event: TraceEvent) => void,
    { enough, onLost = () => undefined }: Pick<ReadTraceOptions, "enough" | "onLost"> = {},
  ) {
    this.enough = enough;
    this.ledger = new Ledger(onLost);
  }

  /**
   * Reads the next chunk, divided at any byte, and passes the events of the lines that end in it to the sink.
   *
   * @throws KpkeysError ERR_TRACE_LINE for a damaged line. Push no chunk after an error.
   */
  push(chunk: Uint8Array): void {
    this.bytes += chunk.length;
    if (this.head === undefined) this.pushLines(chunk);
    else if (this.head.push(chunk)) this.endHead(this.head);
  }

  /**
   * Ends the text.
   *
   * @throws KpkeysError ERR_TRACE_LINE if the last line is damaged; ERR_TRACE_EMPTY if there was no event
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

  /** @returns the number of lines read so far */
  lines(): number {
    return this.ledger.counts.lines;
  }

  /** @returns whether `enough` ended the reading; later chunks are ignored */
  done(): boolean {
    return this.ended;
  }

  /** The first lines decide the form: creates the parser and reads the collected chunks. */
  private endHead(head: Head): void {
    const { path, ledger } = this;
    const pass = (event: TraceEvent): void => {
      this.pass(event);
    };
    const text = head.text();
    this.head = undefined;
    this.form = textForm(text);
    this.parser =
      this.form === "strace" ? new StraceParser(path, ledger, pass) : new TracepointParser(path, text, ledger, pass);
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

  private pass(event: TraceEvent): void {
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
    const remedy = found.find((what) => REMEDIES.has(what));
    const expected = remedy === undefined ? RECORDING : REMEDIES.get(remedy)!;
    const lines = this.lines();
    const kinds = found.length === 0 ? "" : ` (${found.join(", ")})`;
    const what = lines === 0 ? "the text is empty" : `no event in ${lines} lines${kinds}`;
    return new KpkeysError("ERR_TRACE_EMPTY", what, { where: this.path, expected });
  }

  private limits(): readonly string[] {
    const { unsampled } = this.ledger.counts;
    if (unsampled === 0) return limitsOf(this.form);
    const missing = `${unsampled.toLocaleString("en-US")} page faults have no sample: record with \`perf record -c 1\``;
    return [missing, ...limitsOf(this.form)];
  }
}

/** @returns the file name without the common endings of traces */
function traceName(path: string): string {
  const name = path.split(/[/\\]/).at(-1)!;
  return name.replace(/(\.perf-script)?(\.txt)?(\.gz)?$/, "") || name;
}
