import { NEWLINE, SPACE } from "./scan.js";
import { isStraceLine } from "./strace-line.js";

/** The form of a trace: the text of tracepoints (perf script, the trace file of ftrace, trace-cmd report), or the text of strace. */
export type TraceForm = "tracepoints" | "strace";

/** Lines with content that decide the form, and the bytes in which they are searched. */
const HEAD_LINES = 1000;
const HEAD_BYTES = 1 << 20;

/** A line of a tracepoint: a time with a colon, a CPU, or an event name with its subsystem. */
const TRACEPOINT =
  /\s\d{1,9}\.\d{6}(?:\d{3})?:\s|\s\d{1,15}us.? ?:\s|\s\[\d{1,9}\]\s|(?:^|\s)(?:(?:raw_)?syscalls|sched|exceptions):\w+:/;

/** Characters of a line that are examined. */
const LINE_LENGTH = 4096;

const LIMITS: Readonly<Record<TraceForm, readonly string[]>> = {
  tracepoints: [],
  strace: [
    "strace shows no page faults: tables are made only where a call fills a mapping at once (MAP_POPULATE, MAP_LOCKED)",
    "strace shows no context switches and no CPUs",
    "strace does not show what execve maps",
  ],
};

/** Collects the beginning of a text. The result does not depend on how the text is divided into chunks. */
export class Head {
  private readonly chunks: Uint8Array[] = [];
  private size = 0;
  private lines = 0;
  private hasContent = false;
  /** End of the last line of the beginning, once it is known. */
  private end = -1;

  /** Adds a copy of a chunk. @returns whether the beginning is complete */
  push(chunk: Uint8Array): boolean {
    if (this.end < 0) this.scan(chunk);
    this.chunks.push(chunk.slice());
    this.size += chunk.length;
    return this.end >= 0;
  }

  /** The beginning: the first 1,000 lines with content, at most 1 MiB. */
  text(): string {
    const bytes = this.bytes();
    return new TextDecoder().decode(this.end < 0 ? bytes : bytes.subarray(0, this.end));
  }

  /** All bytes added so far. */
  bytes(): Uint8Array {
    const all = new Uint8Array(this.size);
    let at = 0;
    for (const chunk of this.chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  private scan(chunk: Uint8Array): void {
    const most = Math.min(chunk.length, HEAD_BYTES - this.size);
    for (let at = 0; at < most; at++) {
      const byte = chunk[at]!;
      if (byte > SPACE) this.hasContent = true;
      if (byte !== NEWLINE) continue;
      if (this.hasContent && ++this.lines === HEAD_LINES) {
        this.end = this.size + at + 1;
        return;
      }
      this.hasContent = false;
    }
    if (this.size + chunk.length >= HEAD_BYTES) this.end = HEAD_BYTES;
  }
}

/**
 * The form of most lines of a text.
 * @param head - the first lines
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
 * The limits of a form, in sentences.
 * @param form - the form
 */
export function limitsOf(form: TraceForm): readonly string[] {
  return LIMITS[form];
}
