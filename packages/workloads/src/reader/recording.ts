import { type InputText, KpkeysError } from "@kpkeys/core";
import { type TraceEvent } from "./event.js";
import { type InputBytes, openText } from "./input-text.js";
import { createTraceReader, type ReadTraceOptions, type TraceSummary } from "./trace-reader.js";

/** A recorded workload: the text of `perf script`, of ftrace, of `trace-cmd report` or of `strace -f -ttt`, plain or gzip. */
export interface Recording {
  /** Where it comes from, for messages; its last part is the trace's name. */
  readonly where: string;
  /**
   * Reads it, in memory that does not grow with it.
   *
   * @param sink - takes each event in turn. The record is one for all: take from it what is needed and keep no reference.
   * @param options - how
   * @returns a summary of the text and its events
   * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED; ERR_TRACE_LINE at a damaged line; ERR_TRACE_EMPTY
   * when no line holds an event; every error of the sink
   */
  read(sink: (event: TraceEvent) => void, options?: ReadTraceOptions): Promise<TraceSummary>;
}

/**
 * A recording whose bytes are at hand or come as a stream. Its first lines decide which tool's text it is.
 *
 * @param where - where it comes from: a URL, or any name
 * @param bytes - its content, plain or gzip; a stream can be read once
 *
 * @example
 * ```ts
 * import { argUnsigned, EventKind, recordingOf } from "@kpkeys/workloads";
 *
 * const bytes = new TextEncoder().encode("7 1700000000.000001 munmap(0x7f0000000000, 4096) = 0\n");
 * await recordingOf("shell.strace.txt", bytes).read((event) => {
 *   if (event.kind === EventKind.sys_enter_munmap) console.log(argUnsigned(event, 1)); // 4096
 * });
 * ```
 */
export function recordingOf(where: string, bytes: InputBytes): Recording {
  return { where, read: async (sink, options = {}) => readText(await openText(where, bytes), sink, options) };
}

/**
 * Reads a recording that has been opened.
 *
 * @param input - its text
 * @param sink - takes each event in turn
 * @param options - how
 * @returns a summary of the text and its events
 * @throws KpkeysError as {@link Recording.read} does
 */
export async function readText(
  input: InputText,
  sink: (event: TraceEvent) => void,
  options: ReadTraceOptions,
): Promise<TraceSummary> {
  const reader = createTraceReader(input.where, sink, options);
  let damage: KpkeysError | undefined;
  for await (const chunk of input.chunks(() => `${reader.lines()} lines`)) {
    try {
      if (damage === undefined) reader.push(chunk);
    } catch (error) {
      // A damaged line in a gzip file may be due to a damaged file, which its checksum shows: read on, without parsing.
      if (!input.compressed || !(error instanceof KpkeysError) || error.code !== "ERR_TRACE_LINE") throw error;
      damage = error;
    }
    options.onProgress?.(input.consumed(), input.size);
    if (reader.done() || options.enough?.() === true) break;
  }
  if (damage !== undefined) throw damage;
  return reader.finish();
}
