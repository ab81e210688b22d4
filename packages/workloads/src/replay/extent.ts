import { KpkeysError } from "@kpkeys/core";
import type { TraceEvent } from "../reader/event.js";

/** How much of a trace is replayed: its first events, or those up to a time, whichever is given. */
export type Until =
  | {
      /** Number of events, 1 or more. */
      readonly events: number;
    }
  | {
      /** Seconds of the trace's own time since its first event; an event at that moment is still replayed. */
      readonly seconds: number;
    };

/** Where a replay ends. */
export interface Extent {
  /** Events taken so far. */
  readonly events: number;
  /** How much of the extent is done, 0 to 1; 0 while that cannot be told. */
  share(): number;
  /**
   * Whether an event still belongs to the replay; none does after one that does not.
   * @param event - the next event
   * @throws KpkeysError ERR_TRACE_TIMES when times decide and the event has none
   */
  takes(event: TraceEvent): boolean;
  /** Whether no further event belongs to it, or none shall. To be asked behind each event. */
  enough(): boolean;
  /** Whether the replay was stopped before the end of its extent. */
  readonly stopped: boolean;
}

/**
 * @param where - the trace, for messages
 * @param until - how much; the whole trace if left out
 * @param stop - says when to come to an end all the same
 */
export function createExtent(where: string, until?: Until, stop?: () => boolean): Extent {
  const most = until !== undefined && "events" in until ? until.events : Infinity;
  const span = until !== undefined && "seconds" in until ? until.seconds * 1e9 : Infinity;
  let first = Number.NaN;
  let elapsed = 0;
  let over = false;

  /** Whether the event comes too late. */
  function isLate({ time, line }: TraceEvent): boolean {
    if (Number.isNaN(time)) {
      throw new KpkeysError("ERR_TRACE_TIMES", "an event has no time", {
        where: `${where}:${line}`,
        expected: "a trace with times, or an end by a number of events",
      });
    }
    if (Number.isNaN(first)) first = time;
    elapsed = time - first;
    return elapsed > span;
  }

  // Plain fields: docs/performance.md, "Classes".
  const extent: { -readonly [F in keyof Extent]: Extent[F] } = {
    events: 0,
    share: () => Math.min(1, Math.max(extent.events / most, elapsed / span)),
    takes(event) {
      if (over || (span !== Infinity && isLate(event))) {
        over = true;
        return false;
      }
      extent.events++;
      return true;
    },
    enough() {
      if (over || extent.events >= most) return true;
      extent.stopped = stop?.() === true;
      return extent.stopped;
    },
    stopped: false,
  };
  return extent;
}
