import { type InputText, KpkeysError } from "@kpkeys/core";
import { type TraceEvent } from "./event.js";
import { type InputBytes, openText } from "./input-text.js";
import { type ReadTraceOptions, TraceReader, type TraceSummary } from "./trace-reader.js";

/** A recorded workload: the text of `perf script`, of ftrace, of `trace-cmd report` or of `strace -f -ttt`, plain or gzip. */
export interface Recording {
  /** Its origin, for errors. The last part of the path is the trace's name. */
  readonly where: string;
  /**
   * Reads the recording in constant memory.
   *
   * @param sink - called for each event in order. The record is reused: copy the fields needed and keep no reference.
   * @param options - progress, lost events, and when to stop
   * @returns the summary of the trace
   * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED; ERR_TRACE_LINE for a damaged line; ERR_TRACE_EMPTY if
   * no line has an event. An error that the sink throws is passed on.
   */
  read(sink: (event: TraceEvent) => void, options?: ReadTraceOptions): Promise<TraceSummary>;
}

/**
 * A recording in an array of bytes or a stream. The first lines decide which tool printed it.
 *
 * @param where - its origin: a URL, or any name
 * @param bytes - the recording, plain or gzip. A stream can be read once.
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
 * Reads an open recording.
 *
 * @param input - its text
 * @param sink - called for each event in order
 * @param options - progress, lost events, and when to stop
 * @returns the summary of the trace
 * @throws KpkeysError the errors of {@link Recording.read}
 */
export async function readText(
  input: InputText,
  sink: (event: TraceEvent) => void,
  options: ReadTraceOptions,
): Promise<TraceSummary> {
  const reader = new TraceReader(input.where, sink, options);
  let damage: KpkeysError | undefined;
  for await (const chunk of input.chunks(() => `${reader.lines()} lines`)) {
    try {
      if (damage === undefined) reader.push(chunk);
    } catch (error) {
      // In a gzip file the cause may be damaged gzip data. Read to the end without parsing, so that the checksum is verified.
      if (!input.compressed || !(error instanceof KpkeysError) || error.code !== "ERR_TRACE_LINE") throw error;
      damage = error;
    }
    options.onProgress?.(input.consumed(), input.size);
    if (reader.done() || options.enough?.() === true) break;
  }
  if (damage !== undefined) throw damage;
  return reader.finish();
}
