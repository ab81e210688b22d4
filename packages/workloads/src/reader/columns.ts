import { type TraceEvent } from "./event.js";
import { ascii, decimal, digits, isCount, isDigit, SPACE } from "./scan.js";

const TAB = 9;
const HASH = 35;
const PAREN_OPEN = 40;
const PAREN_CLOSE = 41;
const MINUS = 45;
const DOT = 46;
const SLASH = 47;
const COLON = 58;
const BRACKET_OPEN = 91;
const BRACKET_CLOSE = 93;
const LETTER_S = 115;
const LETTER_U = 117;

/** The longest `(tgid)`, and the longest comm with the spaces before it. Text further to the left is not examined. */
const GROUP_LENGTH = 16;
const COMM_LENGTH = 64;
/** Length of a comm in the latency format of ftrace, which cuts longer ones. */
const SHORT_COMM_LENGTH = 8;
/** The longest time in microseconds: 31 years. */
const MICROSECOND_DIGITS = 15;

/** Letters of perf's `misc` column: kernel, user, hypervisor, guests, and marks of records. */
const MISC: ReadonlySet<number> = new Set(ascii("KUHGgMES"));

/** Reads a column. @returns false if the text is not such a column */
type Column = (bytes: Uint8Array, start: number, end: number, event: TraceEvent) => boolean;

/**
 * Reads the columns before an event's name. All are optional. They are read from the right, because a comm may contain anything:
 *
 * ```
 *   comm pid/tid [cpu] misc time: period      perf script -F, any of comm, pid, cpu, misc, time and period left out
 *   comm-tid (tgid) [cpu] flags time:         ftrace's trace file and trace-cmd report
 *   comm-tid (tgid) [cpu] flags ticks:        the same with a clock that counts no seconds (counter, uptime, x86-tsc)
 *   comm-tid cpu+flags microseconds us :      ftrace's latency format, in which an oops dumps it to the console
 * ```
 *
 * @param bytes - the text
 * @param start - the start of the line
 * @param end - the start of the event's name
 * @param event - receives tid, pid, cpu, time and the place of the comm. Fields without a column are -1, the time NaN.
 * @returns false if the columns cannot be read
 */
export function readColumnsBefore(bytes: Uint8Array, start: number, end: number, event: TraceEvent): boolean {
  event.cpu = event.pid = -1;
  event.time = Number.NaN;
  event.period = 1;
  const columns = new ColumnsBefore(bytes, start, end, event);
  const isLatencyFormat = columns.readLatencyTime();
  const hasTicks = !isLatencyFormat && columns.read(ticks);
  if (!isLatencyFormat && !hasTicks) columns.readTime();
  columns.readCpu(hasTicks || !Number.isNaN(event.time));
  columns.readGroup();
  if (!columns.readThread()) return false;
  // Only ftrace prints ticks, and it prints `comm-tid`. Without the dash the ticks are a damaged time.
  if (hasTicks && bytes[event.commEnd] !== MINUS) return false;
  if (isLatencyFormat) shortenComm(bytes, event);
  return true;
}

/** Reads the columns of a line from right to left. */
class ColumnsBefore {
  constructor(
    private readonly bytes: Uint8Array,
    private readonly start: number,
    private at: number,
    private readonly event: TraceEvent,
  ) {}

  /** Reads the last column, if it is of a kind. */
  read(column: Column): boolean {
    const { bytes, start } = this;
    const last = trimEnd(bytes, start, this.at);
    const first = wordStart(bytes, start, last);
    if (first === last || !column(bytes, first, last, this.event)) return false;
    this.at = first;
    return true;
  }

  /** Reads a time, or a time and a period. A number without a time before it is the tid. */
  readTime(): void {
    if (this.read(time)) return;
    const before = this.at;
    if (!this.read(period) || this.read(time)) return;
    this.at = before;
    this.event.period = 1;
  }

  /** Reads `[cpu]`. If there is a time, flags may be between CPU and time. */
  readCpu(hasTime: boolean): void {
    if (this.read(cpu) || !hasTime) return;
    const before = this.at;
    if ((this.read(flags) || this.read(misc)) && this.read(cpu)) return;
    this.at = before;
    this.read(cpuAndFlags);
  }

  /** Reads `microseconds us`, a mark for the delay to the next event (a space for a short one) and a colon. */
  readLatencyTime(): boolean {
    const { bytes, start } = this;
    const colon = trimEnd(bytes, start, this.at) - 1;
    if (colon <= start || bytes[colon] !== COLON) return false;
    const unit = colon - 3;
    if (bytes[unit] !== LETTER_U || bytes[unit + 1] !== LETTER_S) return false;
    const first = wordStart(bytes, start, unit);
    const length = unit - first;
    if (length < 1 || length > MICROSECOND_DIGITS || digits(bytes, first) !== unit) return false;
    this.event.time = decimal(bytes, first, unit) * 1000;
    this.at = first;
    return true;
  }

  /** Reads `(tgid)`. It may contain spaces, or dashes for an unknown tgid. */
  readGroup(): void {
    const { bytes, start } = this;
    const closing = trimEnd(bytes, start, this.at) - 1;
    if (closing < start || bytes[closing] !== PAREN_CLOSE) return;
    const farthest = Math.max(start, closing - GROUP_LENGTH);
    let open = closing;
    while (open > farthest && bytes[open] !== PAREN_OPEN) open--;
    let from = open + 1;
    while (bytes[from] === SPACE) from++;
    const to = digits(bytes, from);
    if (to !== closing && bytes[from] !== MINUS) return;
    if (to === closing && isCount(to - from)) this.event.pid = decimal(bytes, from, to);
    this.at = open;
  }

  /** Reads the thread and the comm before it. */
  readThread(): boolean {
    const last = trimEnd(this.bytes, this.start, this.at);
    const first = wordStart(this.bytes, this.start, last);
    return threadColumn(this.bytes, this.start, first, last, this.event);
  }
}

function trimEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && (bytes[at - 1] === SPACE || bytes[at - 1] === TAB)) at--;
  return at;
}

function wordStart(bytes: Uint8Array, start: number, end: number): number {
  let at = end;
  while (at > start && bytes[at - 1] !== SPACE && bytes[at - 1] !== TAB) at--;
  return at;
}

/** `seconds.fraction:` with 6 or 9 digits. */
function time(bytes: Uint8Array, start: number, end: number, event: TraceEvent): boolean {
  const secondsEnd = digits(bytes, start);
  const fraction = secondsEnd + 1;
  const fractionEnd = digits(bytes, fraction);
  const length = fractionEnd - fraction;
  if (!isCount(secondsEnd - start) || bytes[secondsEnd] !== DOT || (length !== 6 && length !== 9)) return false;
  if (bytes[fractionEnd] !== COLON || fractionEnd + 1 !== end) return false;
  const nanoseconds = decimal(bytes, fraction, fractionEnd) * (length === 6 ? 1000 : 1);
  event.time = decimal(bytes, start, secondsEnd) * 1e9 + nanoseconds;
  return true;
}

/** `ticks:` of a clock without seconds. */
function ticks(bytes: Uint8Array, start: number, end: number): boolean {
  const last = digits(bytes, start);
  return last > start && bytes[last] === COLON && last + 1 === end;
}

/** The letters of perf's `-F +misc`: `U`, `KE`. */
function misc(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (!MISC.has(bytes[at]!)) return false;
  return end - start <= 4;
}

function period(bytes: Uint8Array, start: number, end: number, event: TraceEvent): boolean {
  if (digits(bytes, start) !== end) return false;
  event.period = decimal(bytes, start, end);
  return true;
}

/** `[cpu]`. */
function cpu(bytes: Uint8Array, start: number, end: number, event: TraceEvent): boolean {
  const last = digits(bytes, start + 1);
  if (bytes[start] !== BRACKET_OPEN || bytes[last] !== BRACKET_CLOSE || last + 1 !== end) return false;
  if (!isCount(last - start - 1)) return false;
  event.cpu = decimal(bytes, start + 1, last);
  return true;
}

/** The flags of ftrace (irqs-off, need-resched and others): four to six characters, `.` for an unset flag. They are not used. */
function flags(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== DOT && !isLetterOrDigit(bytes[at]!)) return false;
  return end - start >= 4 && end - start <= 6;
}

/** The CPU and the flags of ftrace's latency format, without a space between. The first flag is not a digit. */
function cpuAndFlags(bytes: Uint8Array, start: number, end: number, event: TraceEvent): boolean {
  const cpuEnd = digits(bytes, start);
  if (!isCount(cpuEnd - start) || !flags(bytes, cpuEnd, end)) return false;
  event.cpu = decimal(bytes, start, cpuEnd);
  return true;
}

/** Removes the prefix of the console from a comm: `[  352.772408] `, `[  352.772408][ T4100] `. */
function shortenComm(bytes: Uint8Array, event: TraceEvent): void {
  event.commStart = Math.max(event.commStart, event.commEnd - SHORT_COMM_LENGTH);
  for (let at = event.commEnd - 1; at > event.commStart; at--) {
    if (bytes[at] === SPACE && bytes[at - 1] === BRACKET_CLOSE) event.commStart = at + 1;
  }
  while (bytes[event.commStart] === SPACE && event.commStart < event.commEnd) event.commStart++;
}

/** Reads `tid`, `pid/tid` or `comm-tid`, and the comm or its beginning before it. */
function threadColumn(bytes: Uint8Array, line: number, start: number, end: number, event: TraceEvent): boolean {
  let from = end;
  while (from > start && isDigit(bytes[from - 1]!)) from--;
  if (!isCount(end - from)) return false;
  event.tid = decimal(bytes, from, end);
  event.commStart = Math.max(line, start - COMM_LENGTH);
  while (bytes[event.commStart] === SPACE) event.commStart++;
  event.commEnd = Math.max(event.commStart, trimEnd(bytes, line, start));
  if (from === start) return true;
  if (bytes[from - 1] === SLASH) {
    if (digits(bytes, start) !== from - 1 || !isCount(from - 1 - start)) return false;
    event.pid = decimal(bytes, start, from - 1);
    return true;
  }
  if (bytes[from - 1] !== MINUS) return false;
  // A minus after a space is the sign of an unknown tid, -1; otherwise it joins comm and tid.
  if (from - 1 === start) event.tid = -event.tid;
  else event.commEnd = from - 1;
  return true;
}

function isLetterOrDigit(byte: number): boolean {
  return isDigit(byte) || byte === HASH || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
}
