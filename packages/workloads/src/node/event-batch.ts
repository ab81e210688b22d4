import { type EventKind, type TraceEvent } from "../reader/event.js";
import { LONGEST_LINE } from "@kpkeys/core";

/** How many records a batch has room for. */
const RECORDS = 4096;
/** Words of a record: an even number, for its float64 numbers. */
const WORDS = 24;
/** Bytes of all records; behind them are the names, of which a line's always fit. */
const RECORD_BYTES = RECORDS * WORDS * 4;
const NAME_BYTES = LONGEST_LINE;

// A record, in words:
//
//   0-1   2     3    4    5    6       7     8-13     14-19   20     21      22-23
//   time  kind  tid  pid  cpu  text's  none  argHigh  argLow  names  comm's  line
//                              length        of 6     of 6    from   length
const TIME = 0;
const KIND = 2;
const TID = 3;
const PID = 4;
const CPU = 5;
const TEXT_LENGTH = 6;
const ARG_HIGH = 8;
const ARG_LOW = 14;
const NAMES = 20;
const COMM_LENGTH = 21;
const LINE = 22;
/** Kind of a record that tells of lost events: how many stands in place of the time. */
const LOST = -1;

/** Who takes the events of a batch. */
export interface BatchTaker {
  /** Takes an event. @param event - one record for all */
  readonly sink: (event: TraceEvent) => void;
  /** Told that events were lost there. @param events - how many */
  readonly onLost: (events: number) => void;
  /** Asked behind each event whether that was the last one wanted. */
  readonly enough: (() => boolean) | undefined;
}

/** Events on their way from the thread that reads them to the one that takes them, in memory that both share. */
export class EventBatch {
  /** The memory. */
  readonly buffer: SharedArrayBuffer;
  /** How many records are in it, which the taker is told by message. */
  count = 0;
  private readonly words: Int32Array;
  private readonly times: Float64Array;
  private readonly names: Uint8Array;
  private named = 0;

  /** @param buffer - memory of a batch that another thread has; else it is reserved */
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(RECORD_BYTES + NAME_BYTES)) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer, 0, RECORDS * WORDS);
    this.times = new Float64Array(buffer, 0, (RECORDS * WORDS) / 2);
    this.names = new Uint8Array(buffer, RECORD_BYTES);
  }

  /** Forgets what is in it. */
  clear(): void {
    this.count = 0;
    this.named = 0;
  }

  /** Whether there is room for an event; in an empty batch there is. @param event - the event */
  fits({ commStart, commEnd, textStart, textEnd }: TraceEvent): boolean {
    return this.count < RECORDS && this.named + commEnd - commStart + textEnd - textStart <= NAME_BYTES;
  }

  /** Whether there is room for a record without names. */
  fitsLost(): boolean {
    return this.count < RECORDS;
  }

  /** Adds an event that fits. @param event - the event */
  add(event: TraceEvent): void {
    const words = this.words;
    const at = this.count++ * WORDS;
    const { argHigh, argLow, commStart, commEnd, textStart, textEnd } = event;
    this.times[(at + TIME) >> 1] = event.time;
    words[at + KIND] = event.kind;
    words[at + TID] = event.tid;
    words[at + PID] = event.pid;
    words[at + CPU] = event.cpu;
    this.times[(at + LINE) >> 1] = event.line;
    for (let i = 0; i < 6; i++) {
      words[at + ARG_HIGH + i] = argHigh[i]!;
      words[at + ARG_LOW + i] = argLow[i]!;
    }
    words[at + NAMES] = this.named;
    words[at + COMM_LENGTH] = commEnd - commStart;
    words[at + TEXT_LENGTH] = textEnd - textStart;
    this.copy(event.bytes, commStart, commEnd);
    this.copy(event.bytes, textStart, textEnd);
  }

  /** Adds word of lost events, for which there is room. @param events - how many */
  addLost(events: number): void {
    const at = this.count++ * WORDS;
    this.words[at + KIND] = LOST;
    this.times[(at + TIME) >> 1] = events;
  }

  /**
   * Hands on what is in it, in order.
   * @param count - how many records
   * @param event - filled in for each event
   * @param taker - who takes it
   * @returns whether the taker wants no more
   */
  deliver(count: number, event: TraceEvent, { sink, onLost, enough }: BatchTaker): boolean {
    const words = this.words;
    const times = this.times;
    const { argHigh, argLow } = event;
    event.bytes = this.names;
    for (let record = 0, at = 0; record < count; record++, at += WORDS) {
      const kind = words[at + KIND]!;
      if (kind === LOST) {
        onLost(times[(at + TIME) >> 1]!);
        continue;
      }
      event.time = times[(at + TIME) >> 1]!;
      event.kind = kind as EventKind;
      event.tid = words[at + TID]!;
      event.pid = words[at + PID]!;
      event.cpu = words[at + CPU]!;
      event.line = times[(at + LINE) >> 1]!;
      for (let i = 0; i < 6; i++) {
        argHigh[i] = words[at + ARG_HIGH + i]!;
        argLow[i] = words[at + ARG_LOW + i]!;
      }
      event.commStart = words[at + NAMES]!;
      event.commEnd = event.commStart + words[at + COMM_LENGTH]!;
      event.textStart = event.commEnd;
      event.textEnd = event.textStart + words[at + TEXT_LENGTH]!;
      sink(event);
      if (enough?.() === true) return true;
    }
    return false;
  }

  private copy(bytes: Uint8Array, start: number, end: number): void {
    const names = this.names;
    let to = this.named;
    for (let from = start; from < end; from++) names[to++] = bytes[from]!;
    this.named = to;
  }
}
