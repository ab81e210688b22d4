import { type TraceEvent } from "../reader/event.js";
import { readText } from "../reader/recording.js";
import { TRACE_TEXT } from "../reader/text-kind.js";
import { type ReadTraceOptions, type TraceSummary } from "../reader/trace-reader.js";
import { openTrace } from "./trace-file.js";

/**
 * Reads a trace in constant memory: the text of `perf script`, of ftrace, of `trace-cmd report` or of `strace -f -ttt`, plain or gzip.
 * The first lines decide which tool printed it.
 *
 * @param path - the file
 * @param sink - called for each event in order. The record is reused: copy the fields needed and keep no reference.
 * @param options - progress, lost events, and when to stop
 * @returns the summary of the trace
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED; ERR_TRACE_LINE for a damaged line; ERR_TRACE_EMPTY if
 * no line has an event
 *
 * @example
 * ```ts
 * import { argPage, EventKind } from "@kpkeys/workloads";
 * import { embeddedTrace, readTrace } from "@kpkeys/workloads/node";
 *
 * const pages = new Set<number>();
 * const summary = await readTrace(embeddedTrace.trace, (event) => {
 *   if (event.kind === EventKind.page_fault_user) pages.add(argPage(event, 0));
 * });
 * console.log(`${summary.events} events, faults on ${pages.size} pages`);
 * ```
 */
export async function readTrace(
  path: string,
  sink: (event: TraceEvent) => void,
  options: ReadTraceOptions = {},
): Promise<TraceSummary> {
  return readText(await openTrace(path, TRACE_TEXT), sink, options);
}
