import { type EventKind, type TraceEvent } from "../reader/event.js";
import { LONGEST_LINE } from "@kpkeys/core";

/** Capacity of a batch in records. */
const RECORDS = 4096;
/** Words of a record: even, so that its float64 fields are aligned. */
const WORDS = 24;
/** Bytes of all records. The names follow; the names of one line always fit. */
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
/** Kind of a record of lost events: its time field holds their number. */
const LOST = -1;

/** The receiver of a batch. */
export interface BatchReceiver {
  /** Called for each event. @param event - the record, reused for the next event */
  readonly sink: (event: TraceEvent) => void;
  /** Called where events were lost. @param events - their number */
  readonly onLost: (events: number) => void;
  /** Called after each event; true stops the delivery. */
  readonly enough: (() => boolean) | undefined;
}

/** A batch of events in memory that the reader thread and the receiver share. */
export class EventBatch {
  /** The memory. */
  readonly buffer: SharedArrayBuffer;
  /** Number of records. It is not in the shared memory: the reader sends it in a message. */
  count = 0;
  private readonly words: Int32Array;
  private readonly times: Float64Array;
  private readonly names: Uint8Array;
  private named = 0;

  /** @param buffer - the memory of a batch of another thread; allocated if left out */
  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(RECORD_BYTES + NAME_BYTES)) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer, 0, RECORDS * WORDS);
    this.times = new Float64Array(buffer, 0, (RECORDS * WORDS) / 2);
    this.names = new Uint8Array(buffer, RECORD_BYTES);
  }

  /** Removes all records. */
  clear(): void {
    this.count = 0;
    this.named = 0;
  }

  /** Whether an event fits. Every event fits into an empty batch. @param event - the event */
  fits({ commStart, commEnd, textStart, textEnd }: TraceEvent): boolean {
    return this.count < RECORDS && this.named + commEnd - commStart + textEnd - textStart <= NAME_BYTES;
  }

  /** Whether a record without names fits. */
  fitsLost(): boolean {
    return this.count < RECORDS;
  }

  /** Adds an event. It must fit. @param event - the event */
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

  /** Adds a record of lost events. It must fit. @param events - their number */
  addLost(events: number): void {
    const at = this.count++ * WORDS;
    this.words[at + KIND] = LOST;
    this.times[(at + TIME) >> 1] = events;
  }

  /**
   * Passes the records to the receiver in order.
   * @param count - number of records
   * @param event - filled in for each event
   * @param receiver - the receiver
   * @returns whether the receiver needs no more events
   */
  deliver(count: number, event: TraceEvent, { sink, onLost, enough }: BatchReceiver): boolean {
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
