import { KpkeysError } from "@kpkeys/core";
import type { TraceEvent } from "../reader/event.js";

/** The part of a trace that is replayed: its first events, or the events up to a time. */
export type Until =
  | {
      /** Number of events, 1 or more. */
      readonly events: number;
    }
  | {
      /** Seconds of trace time since the first event, inclusive. */
      readonly seconds: number;
    };

/** Decides which events of a trace are replayed. Each event is passed to {@link Extent.includes} in order. */
export class Extent {
  /** Events included so far. */
  events = 0;
  /** Whether `stop` ended the replay before the end of its extent. */
  stopped = false;
  private readonly where: string;
  private readonly stop: (() => boolean) | undefined;
  private readonly maxEvents: number;
  /** Trace time of the extent in nanoseconds. */
  private readonly span: number;
  private first = Number.NaN;
  private elapsed = 0;
  private over = false;

  /**
   * @param where - the trace, for errors
   * @param until - the part to replay; the whole trace if left out
   * @param stop - called after each event; true ends the replay
   */
  constructor(where: string, until?: Until, stop?: () => boolean) {
    this.where = where;
    this.stop = stop;
    this.maxEvents = until !== undefined && "events" in until ? until.events : Infinity;
    this.span = until !== undefined && "seconds" in until ? until.seconds * 1e9 : Infinity;
  }

  /** The share of the extent that is done, 0 to 1; 0 for the whole trace, whose length is not known. */
  share(): number {
    return Math.min(1, Math.max(this.events / this.maxEvents, this.elapsed / this.span));
  }

  /**
   * Whether an event is part of the replay. After the first event that is not, no later event is.
   * @param event - the next event
   * @throws KpkeysError ERR_TRACE_TIMES if the extent is a time and the event has none
   */
  includes(event: TraceEvent): boolean {
    if (this.over || (this.span !== Infinity && this.isLate(event))) {
      this.over = true;
      return false;
    }
    this.events++;
    return true;
  }

  /** Whether the replay ends here. Call it after each event. */
  enough(): boolean {
    if (this.over || this.events >= this.maxEvents) return true;
    this.stopped = this.stop?.() === true;
    return this.stopped;
  }

  private isLate({ time, line }: TraceEvent): boolean {
    if (Number.isNaN(time)) {
      throw new KpkeysError("ERR_TRACE_TIMES", "cannot replay up to a time: an event has no time", {
        where: `${this.where}:${line}`,
        expected: "a trace with times, or an extent in events",
      });
    }
    if (Number.isNaN(this.first)) this.first = time;
    this.elapsed = time - this.first;
    return this.elapsed > this.span;
  }
}
