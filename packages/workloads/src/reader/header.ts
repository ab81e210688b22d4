import { type TraceEvent } from "./event.js";
import { decimal, digits, spaces } from "./scan.js";

/** The width to which perf pads a comm on its left. */
const COMM_WIDTH = 16;

// Characters stand where they are compared: what is imported is loaded for each byte.
const NUL = 0;
const NEWLINE = 10;
const SPACE = 32;
const MINUS = 45;
const DOT = 46;
const COLON = 58;
const BRACKET_OPEN = 91;
const BRACKET_CLOSE = 93;

/**
 * Reads the columns in front of the event:
 *
 * ```
 *              gcc    21524 [001]    995.663669:         syscalls:sys_enter_brk: brk: 0x00000000
 * |-- comm, 16 --| |-- tid| |cpu| |-- time    |  |-- event                     | |-- arguments
 * ```
 *
 * A comm may hold anything, even what looks like the other columns, so those are looked for behind its width. A line that does not
 * begin with a space has a comm that fills the width (a kworker's may), or is of a trace with call chains, where comms are not
 * padded: then the comm ends where the other columns can first be read.
 *
 * @param bytes - the text
 * @param start - where the line begins
 * @param event - takes tid, cpu, time and the place of the comm
 * @returns the position behind the time's colon, or -1 when the line has no such columns
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

/** Reads the columns behind the first run of spaces from which they can be read. */
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

/** Reads `tid [cpu] seconds.fraction:`, of which the CPU is left out by perf when it did not record it. */
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

  // Microseconds, or nanoseconds by --ns.
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

/** No pid, CPU or second of uptime has more than nine digits. */
function isCount(length: number): boolean {
  return length > 0 && length <= 9;
}
