import type { EventName, TraceEvent } from "./event.js";
import { KIND_NAMES } from "./formats.js";

/** How many kinds of unused lines are told apart: a trace may hold any number. */
const KINDS_OF_UNUSED = 1000;

/** What an unused line is: a sample of a page fault that shows only where the code was. */
export const FAULT_WITHOUT_ADDRESS = "page fault without its address";

/** What an unused line is: the last one, if no newline follows. Every tool ends its last line: this one was cut, perhaps within a number. */
export const CUT_LINE = "last line without its end";

/** What an unused line is: the entry of a system call whose exit is missing. */
export const CALL_WITHOUT_END = "call without its end";

/** What an unused line is: the exit of a system call that the thread was not in. */
export const END_WITHOUT_BEGINNING = "end of a call without its beginning";

/** What has been read so far: lines = eventLines + comments + blanks + the unused. */
export interface LineCounts {
  /** Lines, whatever they hold. */
  lines: number;
  /** Events handed to the sink. */
  events: number;
  /** Lines of which events were handed on, and used as far as the text shows: without calls that have no end. A call of strace's is several events, and may be on two lines. */
  eventLines: number;
  /** Lines that begin with `#`. */
  comments: number;
  /** Lines of spaces or nothing. */
  blanks: number;
  /** Events that perf says it lost while it recorded, so that they are missing between those of the trace. */
  lost: number;
  /** Page faults that a sample stands for beyond its own, by its period. */
  unsampled: number;
  /** Unused lines that have no form of the tool's text at all: a large share of them shows that the text is another tool's, or damaged. */
  unreadable: number;
  /** Events with a time before that of the event in front of them: the text is not in the order in which things happened. */
  backwards: number;
}

/** How many events of each kind, by the names of {@link EventKind}; a kind without events is not in it. */
export type KindCounts = Partial<Record<EventName, number>>;

/** Counts what is read. */
export interface Ledger {
  /** What has been read so far. */
  readonly counts: LineCounts;
  /** Counts an event that is handed on. @param event - the event */
  event(event: TraceEvent): void;
  /** Counts the entry of a system call that was handed on, and whose exit is missing, as unused. */
  withoutEnd(): void;
  /** Counts a line that is no event handed on. @param what - what it is */
  unused(what: string): void;
  /** Counts a line that has no form of the tool's text. @param what - what it is not */
  unreadable(what: string): void;
  /** Counts events that were lost. @param events - how many */
  lost(events: number): void;
  /** @returns the events handed on, by their kinds */
  kinds(): KindCounts;
  /** @returns the unused lines by what they are */
  allUnused(): Record<string, number>;
}

/**
 * Opens a ledger.
 * @param onLost - told of lost events as they come
 */
export function createLedger(onLost: (events: number) => void): Ledger {
  const counts: LineCounts = {
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
  const kinds = new Float64Array(KIND_NAMES.length);
  const allUnused = new Map<string, number>();
  let time = Number.NaN;

  function unused(what: string): void {
    const kind = allUnused.has(what) || allUnused.size < KINDS_OF_UNUSED ? what : "others";
    allUnused.set(kind, (allUnused.get(kind) ?? 0) + 1);
  }

  return {
    counts,
    event(event) {
      counts.events++;
      kinds[event.kind]!++;
      if (event.time < time) counts.backwards++;
      time = event.time;
    },
    withoutEnd() {
      counts.eventLines--;
      unused(CALL_WITHOUT_END);
    },
    unused,
    unreadable(what) {
      counts.unreadable++;
      unused(what);
    },
    lost(events) {
      counts.lost += events;
      onLost(events);
    },
    kinds: () =>
      Object.fromEntries(
        KIND_NAMES.map((name, kind) => [name, kinds[kind]!] as const).filter(([, count]) => count > 0),
      ),
    allUnused: () => Object.fromEntries(allUnused),
  };
}
