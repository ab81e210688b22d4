import type { EventName, TraceEvent } from "./event.js";
import { KIND_NAMES } from "./formats.js";

/** Maximum number of descriptions of unused lines, because a trace may have any number. The rest is counted as `others`. */
const KINDS_OF_UNUSED = 1000;

/** Description of an unused line: a sample of a page fault with only the instruction pointer. */
export const FAULT_WITHOUT_ADDRESS = "page fault without its address";

/** Description of an unused line: the last line, if it has no newline. It was cut, perhaps within a number. */
export const CUT_LINE = "last line without its end";

/** Description of an unused line: the entry of a system call whose exit is missing. */
export const CALL_WITHOUT_END = "call without its end";

/** Description of an unused line: the exit of a system call that the thread was not in. */
export const END_WITHOUT_BEGINNING = "end of a call without its beginning";

/** The counts of a text: lines = eventLines + comments + blanks + unused lines. */
export interface LineCounts {
  /** All lines. */
  lines: number;
  /** Events passed to the sink. */
  events: number;
  /** Lines with events, except the lines of calls that have no end. A call of strace gives several events and may be on two lines. */
  eventLines: number;
  /** Lines that begin with `#`. */
  comments: number;
  /** Empty lines and lines of spaces. */
  blanks: number;
  /** Events that perf reported as lost. */
  lost: number;
  /** Page faults without their own sample, by the periods of the samples. */
  unsampled: number;
  /** Unused lines that match no form of the tool's text. A large share shows that the text is damaged or from another tool. */
  unreadable: number;
  /** Events with an earlier time than the event before them: the text is not in order of time. */
  backwards: number;
}

/** Number of events by the names of {@link EventKind}. Kinds without events are left out. */
export type KindCounts = Partial<Record<EventName, number>>;

/** Counts the lines and events of a text. */
export class Ledger {
  /** The counts so far. */
  readonly counts: LineCounts = {
    lines: 0,
    events: 0,
    eventLines: 0,
    comments: 0,
    blanks: 0,
    lost: 0,
    unsampled: 0,
    unreadable: 0,
    backwards: 0,
  };
  private readonly byKind = new Float64Array(KIND_NAMES.length);
  private readonly unusedLines = new Map<string, number>();
  private time = Number.NaN;

  /** @param onLost - called where events were lost, with their number */
  constructor(private readonly onLost: (events: number) => void) {}

  /** Counts an event that is passed to the sink. @param event - the event */
  event(event: TraceEvent): void {
    this.counts.events++;
    this.byKind[event.kind]!++;
    if (event.time < this.time) this.counts.backwards++;
    this.time = event.time;
  }

  /** Counts the line of an entry as unused: its event was passed to the sink, but the exit of the call is missing. */
  withoutEnd(): void {
    this.counts.eventLines--;
    this.unused(CALL_WITHOUT_END);
  }

  /** Counts a line without an event for the sink. @param what - its description */
  unused(what: string): void {
    const { unusedLines } = this;
    const kind = unusedLines.has(what) || unusedLines.size < KINDS_OF_UNUSED ? what : "others";
    unusedLines.set(kind, (unusedLines.get(kind) ?? 0) + 1);
  }

  /** Counts a line that matches no form of the tool's text. @param what - its description */
  unreadable(what: string): void {
    this.counts.unreadable++;
    this.unused(what);
  }

  /** Counts lost events. @param events - their number */
  lost(events: number): void {
    this.counts.lost += events;
    this.onLost(events);
  }

  /** @returns the number of events passed to the sink, by kind */
  kinds(): KindCounts {
    const counted = KIND_NAMES.map((name, kind) => [name, this.byKind[kind]!] as const);
    return Object.fromEntries(counted.filter(([, count]) => count > 0));
  }

  /** @returns the number of unused lines by description */
  allUnused(): Record<string, number> {
    return Object.fromEntries(this.unusedLines);
  }
}
