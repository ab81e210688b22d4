import { NEWLINE, SPACE } from "./scan.js";
import { isStraceLine } from "./strace-line.js";

/** Which tool's text a trace is: that of tracepoints (perf script, ftrace's trace file, trace-cmd report), or strace's. */
export type TraceForm = "tracepoints" | "strace";

/** How many lines with content decide, and in how many bytes they are looked for. */
const HEAD_LINES = 1000;
const HEAD_BYTES = 1 << 20;

/** A line of a tracepoint: a time with a colon behind it, a CPU, or the name of an event with its subsystem. */
const TRACEPOINT =
  /\s\d{1,9}\.\d{6}(?:\d{3})?:\s|\s\d{1,15}us.? ?:\s|\s\[\d{1,9}\]\s|(?:^|\s)(?:(?:raw_)?syscalls|sched|exceptions):\w+:/;

/** How much of a line decides. */
const LINE_LENGTH = 4096;

const LIMITS: Readonly<Record<TraceForm, readonly string[]>> = {
  tracepoints: [],
  strace: [
    "strace shows no page faults: tables are made only where a call fills a mapping at once (MAP_POPULATE, MAP_LOCKED)",
    "strace shows no context switches and no CPUs",
    "strace does not show what execve maps",
  ],
};

/** Collects the beginning of a text. How the text is cut into pieces makes no difference to it. */
export interface Head {
  /** Takes the next bytes, which are copied. @returns whether they are enough */
  push(chunk: Uint8Array): boolean;
  /** The beginning: a thousand lines with content, as long as they are in the first mebibyte. */
  text(): string;
  /** All bytes that were taken. */
  bytes(): Uint8Array;
}

/** Begins to collect. */
export function createHead(): Head {
  const chunks: Uint8Array[] = [];
  let size = 0;
  let lines = 0;
  let hasContent = false;
  /** Where the last line of the beginning ends, once that is known. */
  let end = -1;

  function scan(chunk: Uint8Array): void {
    const most = Math.min(chunk.length, HEAD_BYTES - size);
    for (let at = 0; at < most; at++) {
      const byte = chunk[at]!;
      if (byte > SPACE) hasContent = true;
      if (byte !== NEWLINE) continue;
      if (hasContent && ++lines === HEAD_LINES) {
        end = size + at + 1;
        return;
      }
      hasContent = false;
    }
    if (size + chunk.length >= HEAD_BYTES) end = HEAD_BYTES;
  }

  function bytes(): Uint8Array {
    const all = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  return {
    push(chunk) {
      if (end < 0) scan(chunk);
      chunks.push(chunk.slice());
      size += chunk.length;
      return end >= 0;
    },
    text: () => new TextDecoder().decode(end < 0 ? bytes() : bytes().subarray(0, end)),
    bytes,
  };
}

/**
 * Decides which tool's text a trace is: that of most lines.
 * @param head - its first lines
 */
export function textForm(head: string): TraceForm {
  let balance = 0;
  for (const whole of head.split("\n")) {
    const line = whole.slice(0, LINE_LENGTH).trimEnd();
    if (isStraceLine(line)) balance++;
    else if (TRACEPOINT.test(line)) balance--;
  }
  return balance > 0 ? "strace" : "tracepoints";
}

/**
 * What a text of a kind cannot show, in sentences.
 * @param form - the kind
 */
export function limitsOf(form: TraceForm): readonly string[] {
  return LIMITS[form];
}
