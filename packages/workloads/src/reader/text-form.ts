import { isStraceLine } from "./strace-line.js";

/** Which tool's text a trace is: that of tracepoints (perf script, ftrace's trace file, trace-cmd report), or strace's. */
export type TraceForm = "tracepoints" | "strace";

/** How much of a text is looked at. */
const HEAD = 16 << 10;

const LIMITS: Readonly<Record<TraceForm, readonly string[]>> = {
  tracepoints: [],
  strace: [
    "strace shows no page faults: tables are made only where a call fills a mapping at once (MAP_POPULATE, MAP_LOCKED)",
    "strace shows no context switches and no CPUs",
    "strace does not show what execve maps",
  ],
};

/**
 * Tells which tool's text a trace is.
 * @param text - its first lines
 */
export function textForm(text: Uint8Array): TraceForm {
  const lines = new TextDecoder().decode(text.subarray(0, HEAD)).split("\n");
  return lines.some(isStraceLine) ? "strace" : "tracepoints";
}

/**
 * What a text of a kind cannot show, in sentences.
 * @param form - the kind
 */
export function limitsOf(form: TraceForm): readonly string[] {
  return LIMITS[form];
}
