/** How many kinds of unused lines are told apart: a trace may hold any number. */
const KINDS_OF_UNUSED = 1000;

/** What has been read so far: lines = those with events + comments + blanks + the unused. */
export interface LineCounts {
  /** Lines, whatever they hold. */
  lines: number;
  /** Events handed to the sink. */
  events: number;
  /** Lines that begin with `#`. */
  comments: number;
  /** Lines of spaces or nothing. */
  blanks: number;
  /** Events that perf says it lost while it recorded, so that they are missing between those of the trace. */
  lost: number;
}

/** Counts what is read. */
export interface Ledger {
  /** What has been read so far. */
  readonly counts: LineCounts;
  /** Counts a line that is no event handed on. @param what - what it is */
  unused(what: string): void;
  /** Counts events that were lost. @param events - how many */
  lost(events: number): void;
  /** @returns the unused lines by what they are */
  allUnused(): Record<string, number>;
}

/**
 * Opens a ledger.
 * @param onLost - told of lost events as they come
 */
export function createLedger(onLost: (events: number) => void): Ledger {
  const counts: LineCounts = { lines: 0, events: 0, comments: 0, blanks: 0, lost: 0 };
  const unused = new Map<string, number>();
  return {
    counts,
    unused(what) {
      const kind = unused.has(what) || unused.size < KINDS_OF_UNUSED ? what : "others";
      unused.set(kind, (unused.get(kind) ?? 0) + 1);
    },
    lost(events) {
      counts.lost += events;
      onLost(events);
    },
    allUnused: () => Object.fromEntries(unused),
  };
}
