import { type TraceEvent } from "./event.js";
import { decimal, digits, isCount, NEWLINE, NUL, SPACE, spaces } from "./scan.js";

/** Width to which perf pads a comm on the left. */
const COMM_WIDTH = 16;

const MINUS = 45;
const DOT = 46;
const COLON = 58;
const BRACKET_OPEN = 91;
const BRACKET_CLOSE = 93;

/**
 * Reads the default columns of perf script before the event's name:
 *
 * ```
 *              gcc    21524 [001]    995.663669:         syscalls:sys_enter_brk: brk: 0x00000000
 * |-- comm, 16 --| |-- tid| |cpu| |-- time    |  |-- event                     | |-- arguments
 * ```
 *
 * A comm may contain anything, also text like the other columns, so these are read after its width. A line without a space at its start
 * has a comm that fills the width (a kworker) or is from a trace with call chains, where comms are not padded. Its comm ends at the
 * first place from which the other columns can be read.
 *
 * @param bytes - the text
 * @param start - the start of the line
 * @param event - receives tid, cpu, time and the place of the comm
 * @returns the position after the colon of the time, or -1 if the line has no such columns
 */
export function readHeader(bytes: Uint8Array, start: number, event: TraceEvent): number {
  const width = start + COMM_WIDTH;
  let at = start;
  while (at < width && bytes[at] === SPACE) at++;
  if (at > start) {
    event.commStart = at;
    event.commEnd = width;
    while (at < width && bytes[at] !== NEWLINE && bytes[at] !== NUL) at++;
    const end = at === width && bytes[at] === SPACE ? readColumns(bytes, at, event) : -1;
    if (end >= 0) return end;
  }
  return searchColumns(bytes, start, event);
}

/** Reads the columns from the first run of spaces at which they match. */
function searchColumns(bytes: Uint8Array, start: number, event: TraceEvent): number {
  event.commStart = start;
  let at = start;
  while (bytes[at] !== NEWLINE && bytes[at] !== NUL) {
    if (bytes[at] !== SPACE) {
      at++;
      continue;
    }
    event.commEnd = at;
    const end = readColumns(bytes, at, event);
    if (end >= 0) return end;
    at = spaces(bytes, at);
  }
  return -1;
}

/** Reads `tid [cpu] seconds.fraction:`. perf leaves out a CPU that it did not record. */
function readColumns(bytes: Uint8Array, start: number, event: TraceEvent): number {
  let at = spaces(bytes, start);
  const negative = bytes[at] === MINUS;
  if (negative) at++;
  const tidEnd = digits(bytes, at);
  if (!isCount(tidEnd - at) || bytes[tidEnd] !== SPACE) return -1;
  const tid = decimal(bytes, at, tidEnd);

  at = spaces(bytes, tidEnd);
  let cpu = -1;
  if (bytes[at] === BRACKET_OPEN) {
    const cpuEnd = digits(bytes, at + 1);
    if (!isCount(cpuEnd - at - 1) || bytes[cpuEnd] !== BRACKET_CLOSE) return -1;
    cpu = decimal(bytes, at + 1, cpuEnd);
    at = spaces(bytes, cpuEnd + 1);
  }

  // Microseconds, or nanoseconds with --ns.
  const secondsEnd = digits(bytes, at);
  const fraction = secondsEnd + 1;
  if (!isCount(secondsEnd - at) || bytes[secondsEnd] !== DOT) return -1;
  const end = digits(bytes, fraction);
  if ((end - fraction !== 6 && end - fraction !== 9) || bytes[end] !== COLON) return -1;
  event.tid = negative ? -tid : tid;
  event.pid = -1;
  event.cpu = cpu;
  event.time = decimal(bytes, at, secondsEnd) * 1e9 + decimal(bytes, fraction, end) * (end - fraction === 6 ? 1000 : 1);
  return end + 1;
}
