import { KpkeysError } from "@kpkeys/core";
import { type TraceEvent } from "./event.js";
import { TRACE_TEXT } from "./text-kind.js";
import { BLOCK, openTrace } from "./trace-file.js";
import { createTraceReader, type ReadTraceOptions, type TraceSummary } from "./trace-reader.js";

/**
 * Reads a trace in memory that does not grow with it: the text of `perf script`, of ftrace, of `trace-cmd report` or of
 * `strace -f -ttt`, plain or gzip; its first lines tell which.
 *
 * @param path - the file
 * @param sink - takes each event in turn. The record is one for all: take from it what is needed and keep no reference.
 * @param options - how
 * @returns what was read
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED; ERR_TRACE_LINE at a damaged line; ERR_TRACE_EMPTY
 * when no line holds an event
 *
 * @example
 * ```ts
 * import { argPage, embeddedTrace, EventKind, readTrace } from "@kpkeys/workloads";
 *
 * const pages = new Set<number>();
 * const summary = await readTrace(embeddedTrace.trace, (event) => {
 *   if (event.kind === EventKind.page_fault_user) pages.add(argPage(event, 0));
 * });
 * console.log(`${summary.events} events, faults on ${pages.size} pages`);
 * ```
 */
export function readTrace(
  path: string,
  sink: (event: TraceEvent) => void,
  options: ReadTraceOptions = {},
): Promise<TraceSummary> {
  return readInBlocks(BLOCK, path, sink, options);
}

/**
 * {@link readTrace} with another block size: small blocks are collected sooner (docs/performance.md, "Memory").
 *
 * @param block - bytes that are unpacked at once
 * @param path - the file
 * @param sink - takes each event in turn
 * @param options - how
 */
export async function readInBlocks(
  block: number,
  path: string,
  sink: (event: TraceEvent) => void,
  options: ReadTraceOptions,
): Promise<TraceSummary> {
  const file = await openTrace(path, TRACE_TEXT, block);
  const reader = createTraceReader(path, sink, options);
  let damage: KpkeysError | undefined;
  for await (const chunk of file.chunks(() => `${reader.lines()} lines`)) {
    try {
      if (damage === undefined) reader.push(chunk);
    } catch (error) {
      // A damaged line in a gzip file may come of a damaged file, of which its checksum tells: read on, without parsing.
      if (!file.compressed || !(error instanceof KpkeysError) || error.code !== "ERR_TRACE_LINE") throw error;
      damage = error;
    }
    options.onProgress?.(file.consumed(), file.size);
    if (reader.done() || options.enough?.() === true) break;
  }
  if (damage !== undefined) throw damage;
  return reader.finish();
}
