import { type TraceEvent } from "./event.js";
import { ArgumentForm, FORMATS } from "./formats.js";

import { ascii, hexadecimal, integer, literal, NEWLINE, NUL, number, SPACE, word } from "./scan.js";
import { accessAddress, argumentsEnd } from "./trailing-columns.js";

/** Slot for arguments that are not used. No event with such an argument uses this slot for another. */
const UNREAD = 5;

/** The longest comm: TASK_COMM_LEN of include/linux/sched.h is 16 with the NUL. */
const COMM_LENGTH = 15;
/** The longest path: PATH_MAX of include/uapi/linux/limits.h is 4096 with the NUL. */
const PATH_LENGTH = 4095;

const QUOTE = 34;
const PAREN_CLOSE = 41;
const PLUS = 43;
const DIGIT_9 = 57;
const COLON = 58;
const BACKSLASH = 92;

const COUNT = Uint8Array.from(FORMATS, ({ count }) => count);
const SKIPPED = Uint8Array.from(FORMATS, ({ skipped }) => skipped);

/**
 * Reads the arguments of an event into its slots.
 *
 * @param bytes - the text
 * @param at - the start of the arguments, after `event: `
 * @param event - the event, with its kind
 * @param format - index of the event's format in {@link FORMATS}
 * @param form - form of the arguments: an {@link ArgumentForm}
 * @returns the position of the newline, or -1 if the arguments do not match the format
 */
export function readArguments(bytes: Uint8Array, at: number, event: TraceEvent, format: number, form: number): number {
  event.textStart = event.textEnd = 0;
  event.unknownAddress = false;
  switch (form) {
    case ArgumentForm.fault:
      return fault(bytes, at, event);
    case ArgumentForm.enter:
      return enter(bytes, at, event, format);
    case ArgumentForm.exit:
      return result(bytes, number(bytes, at, event.argHigh, event.argLow, 0), event);
    case ArgumentForm.sample:
      return sample(bytes, at, event);
    case ArgumentForm.anyEnter:
      return anyEnter(bytes, at, event);
    case ArgumentForm.anyExit:
      return result(
        bytes,
        number(bytes, literal(bytes, callNumber(bytes, at, event), EQUALS), event.argHigh, event.argLow, 0),
        event,
      );
    case ArgumentForm.enter + ArgumentForm.called:
      return called(bytes, at, event, format);
    case ArgumentForm.exit + ArgumentForm.called:
      return result(bytes, hexadecimal(bytes, literal(bytes, at, ARROW), event.argHigh, event.argLow, 0), event);
    case ArgumentForm.processFork:
      return nameUntil(bytes, literal(bytes, at, COMM), COMM_LENGTH, event, afterParentComm);
    case ArgumentForm.processExec:
      event.textStart = at + FILENAME.length;
      return nameUntil(bytes, literal(bytes, at, FILENAME), PATH_LENGTH, event, afterFilename);
    case ArgumentForm.processExit:
      return nameUntil(bytes, literal(bytes, at, COMM), COMM_LENGTH, event, afterExitComm);
    default: {
      // ArgumentForm.switch
      const prevComm = literal(bytes, at, PREV_COMM);
      if (prevComm < 0) return nameUntil(bytes, at, COMM_LENGTH + SHORT_TASK_LENGTH, event, afterShortPrev);
      return nameUntil(bytes, prevComm, COMM_LENGTH, event, afterPrevComm);
    }
  }
}

/** The lowest error: -MAX_ERRNO of include/linux/err.h. */
const LOWEST_ERROR = -4095;

/**
 * Ends the line of a result. arm64 sign-extends the result of a 32-bit process (syscall_get_return_value of asm/syscall.h), addresses
 * included; the extension of an address is removed.
 */
function result(bytes: Uint8Array, at: number, { argHigh, argLow }: TraceEvent): number {
  if (argHigh[0] === -1 && argLow[0]! < LOWEST_ERROR) argHigh[0] = 0;
  return argumentsEnd(bytes, at);
}

const COMMA = ascii(", ");
const LABEL_END = ascii(": ");

/** `name: NUMBER, name: NUMBER`. The order of the arguments is ABI, their names are not, so any name is accepted. */
function enter(bytes: Uint8Array, start: number, event: TraceEvent, format: number): number {
  let at = start;
  // Without arguments the spaces are part of the columns that follow.
  while (COUNT[format] === 0 && bytes[at - 1] === SPACE) at--;
  return argumentsEnd(bytes, labelled(bytes, at, event, format, number));
}

/** The same in the trace file of ftrace: hexadecimal also without 0x, and a string may follow its address. */
function called(bytes: Uint8Array, start: number, event: TraceEvent, format: number): number {
  return argumentsEnd(bytes, literal(bytes, labelled(bytes, start, event, format, hexadecimal), PAREN));
}

/** Reads the labelled arguments of a system call. Arguments that the event's kind does not have come first and are removed. */
function labelled(bytes: Uint8Array, start: number, event: TraceEvent, format: number, read: typeof number): number {
  const { argHigh, argLow } = event;
  const count = COUNT[format]!;
  const skipped = SKIPPED[format]!;
  let at = start;
  for (let slot = 0; slot < count && at >= 0; slot++) {
    if (slot > 0) at = literal(bytes, at, COMMA);
    while (bytes[at] !== COLON && bytes[at]! > SPACE) at++;
    at = read(bytes, literal(bytes, at, LABEL_END), argHigh, argLow, slot);
    if (bytes[at] === SPACE && bytes[at + 1] === QUOTE) at = stringEnd(bytes, at + 2, slot + 1 === count);
  }
  if (skipped > 0) {
    argHigh.copyWithin(0, skipped);
    argLow.copyWithin(0, skipped);
  }
  return at;
}

const ARROW = ascii(" -> ");
const PAREN = ascii(")");

const CUT_OFF = ascii("...");
/** The longest string: each byte may be escaped as four. */
const STRING_LENGTH = 4 * PATH_LENGTH;
/** The longest name of an argument. */
const LABEL_LENGTH = 32;

/**
 * Reads a string from after its opening quote. Linux 6.19 and newer print it after its address; ftrace did so in older versions too. The
 * string may contain quotes, escaped or not: it ends at the quote before the next argument's name or the end of the arguments.
 */
function stringEnd(bytes: Uint8Array, start: number, isLast: boolean): number {
  const farthest = start + STRING_LENGTH;
  for (let at = start; at < farthest && bytes[at] !== NEWLINE && bytes[at] !== NUL; at++) {
    if (bytes[at] === BACKSLASH && bytes[at + 1] !== NEWLINE) at++;
    else if (bytes[at] === QUOTE) {
      const cutOff = literal(bytes, at + 1, CUT_OFF);
      const end = cutOff < 0 ? at + 1 : cutOff;
      if (isLast ? endsArguments(bytes, end) : isLabel(bytes, literal(bytes, end, COMMA))) return end;
    }
  }
  return -1;
}

function endsArguments(bytes: Uint8Array, at: number): boolean {
  return argumentsEnd(bytes, bytes[at] === PAREN_CLOSE ? at + 1 : at) >= 0;
}

function isLabel(bytes: Uint8Array, start: number): boolean {
  if (start < 0) return false;
  let at = start;
  while (at < start + LABEL_LENGTH && bytes[at]! > SPACE && bytes[at] !== COLON && bytes[at] !== QUOTE) at++;
  return at > start && literal(bytes, at, LABEL_END) >= 0;
}

const NUMBER = ascii("NR ");
const EQUALS = ascii(" = ");
const PAREN_OPEN = ascii(" (");
const ARGUMENTS = 6;

/** Bit of an x32 call number (__X32_SYSCALL_BIT of arch/x86/include/uapi/asm/unistd.h). */
const X32_BIT = 0x4000_0000;

/** `NR 9`. The number is negative for a call that seccomp or a debugger has skipped. */
function callNumber(bytes: Uint8Array, start: number, event: TraceEvent): number {
  const at = literal(bytes, start, NUMBER);
  const end = number(bytes, at, event.argHigh, event.argLow, 0);
  const value = event.argLow[0]!;
  event.callNumber = value >= X32_BIT ? value - X32_BIT : value;
  return end;
}

/** `NR 9 (0, 800000, 3, 22, ffffffff, 0)`. */
function anyEnter(bytes: Uint8Array, start: number, event: TraceEvent): number {
  let at = literal(bytes, callNumber(bytes, start, event), PAREN_OPEN);
  for (let slot = 0; slot < ARGUMENTS && at >= 0; slot++) {
    if (slot > 0) at = literal(bytes, at, COMMA);
    at = hexadecimal(bytes, at, event.argHigh, event.argLow, slot);
  }
  return argumentsEnd(bytes, literal(bytes, at, PAREN));
}

/** The columns of a sample. A sample without the address of the access is not used. */
function sample(bytes: Uint8Array, start: number, event: TraceEvent): number {
  const address = accessAddress(bytes, start);
  event.unknownAddress = address < 0;
  if (address >= 0) hexadecimal(bytes, address, event.argHigh, event.argLow, 0);
  return bytes.indexOf(NEWLINE, start);
}

const ADDRESS = ascii("address=");
const IP = ascii(" ip=");
const ERROR_CODE = ascii(" error_code=");

/** address and ip are printed with %ps: as a symbol, if the kernel has one for them. */
function fault(bytes: Uint8Array, start: number, event: TraceEvent): number {
  const { argHigh, argLow } = event;
  const address = literal(bytes, start, ADDRESS);
  let at = number(bytes, address, argHigh, argLow, 0);
  if (at < 0) {
    event.unknownAddress = true;
    at = symbol(bytes, address);
  }
  const ip = literal(bytes, at, IP);
  at = number(bytes, ip, argHigh, argLow, 1);
  if (at < 0) {
    at = symbol(bytes, ip);
    event.textStart = ip;
    event.textEnd = at;
    argHigh[1] = argLow[1] = 0;
  }
  return argumentsEnd(bytes, number(bytes, literal(bytes, at, ERROR_CODE), argHigh, argLow, 2));
}

const MODULE_BEGIN = ascii(" [");
const BRACKET_CLOSE = 93;

/** Reads a symbol: a word that does not begin like a number, and optionally its module (`func+0x10/0x20 [mod]`). */
function symbol(bytes: Uint8Array, start: number): number {
  if (start < 0 || bytes[start]! <= DIGIT_9) return -1;
  const end = word(bytes, start);
  const module = literal(bytes, end, MODULE_BEGIN);
  if (module < 0) return end;
  let at = module;
  while (bytes[at] !== BRACKET_CLOSE && bytes[at]! >= SPACE) at++;
  return bytes[at] === BRACKET_CLOSE ? at + 1 : -1;
}

/**
 * Reads a name, which may contain any byte except NUL and newline, also text that looks like the next argument. The name ends at the
 * first space after which all remaining arguments can be read. A comm is too short to contain them.
 */
function nameUntil(bytes: Uint8Array, start: number, longest: number, event: TraceEvent, rest: Rest): number {
  if (start < 0) return -1;
  for (let at = start; at <= start + longest && bytes[at] !== NEWLINE && bytes[at] !== NUL; at++) {
    if (bytes[at] !== SPACE) continue;
    const end = rest(bytes, at, event);
    if (end >= 0) return end;
  }
  return -1;
}

/** Reads what follows a name, up to the newline. */
type Rest = (bytes: Uint8Array, at: number, event: TraceEvent) => number;

const COMM = ascii("comm=");
const PID = ascii(" pid=");
const CHILD_COMM = ascii(" child_comm=");
const CHILD_PID = ascii(" child_pid=");

function afterParentComm(bytes: Uint8Array, at: number, event: TraceEvent): number {
  const pid = integer(bytes, literal(bytes, at, PID), event.argHigh, event.argLow, 0);
  const child = literal(bytes, pid, CHILD_COMM);
  event.textStart = child;
  return nameUntil(bytes, child, COMM_LENGTH, event, afterChildComm);
}

function afterChildComm(bytes: Uint8Array, at: number, event: TraceEvent): number {
  event.textEnd = at;
  return argumentsEnd(bytes, integer(bytes, literal(bytes, at, CHILD_PID), event.argHigh, event.argLow, 1));
}

const FILENAME = ascii("filename=");
const OLD_PID = ascii(" old_pid=");

function afterFilename(bytes: Uint8Array, at: number, event: TraceEvent): number {
  event.textEnd = at;
  const pid = integer(bytes, literal(bytes, at, PID), event.argHigh, event.argLow, 0);
  return argumentsEnd(bytes, integer(bytes, literal(bytes, pid, OLD_PID), event.argHigh, event.argLow, 1));
}

const PRIO = ascii(" prio=");
const GROUP_DEAD = ascii(" group_dead=");
const TRUE = ascii("true");
const FALSE = ascii("false");

function afterExitComm(bytes: Uint8Array, at: number, event: TraceEvent): number {
  const { argHigh, argLow } = event;
  const pid = integer(bytes, literal(bytes, at, PID), argHigh, argLow, 0);
  const prio = integer(bytes, literal(bytes, pid, PRIO), argHigh, argLow, UNREAD);
  const groupDead = literal(bytes, prio, GROUP_DEAD);
  if (groupDead < 0) {
    argHigh[1] = argLow[1] = -1;
    return argumentsEnd(bytes, prio);
  }
  const dead = literal(bytes, groupDead, TRUE);
  argHigh[1] = 0;
  argLow[1] = dead < 0 ? 0 : 1;
  return argumentsEnd(bytes, dead < 0 ? literal(bytes, groupDead, FALSE) : dead);
}

const PREV_COMM = ascii("prev_comm=");
const PREV_PID = ascii(" prev_pid=");
const PREV_PRIO = ascii(" prev_prio=");
const PREV_STATE = ascii(" prev_state=");
const NEXT_COMM = ascii(" ==> next_comm=");
const NEXT_PID = ascii(" next_pid=");
const NEXT_PRIO = ascii(" next_prio=");

function afterPrevComm(bytes: Uint8Array, at: number, event: TraceEvent): number {
  const { argHigh, argLow } = event;
  const pid = integer(bytes, literal(bytes, at, PREV_PID), argHigh, argLow, 0);
  const prio = integer(bytes, literal(bytes, pid, PREV_PRIO), argHigh, argLow, UNREAD);
  const state = literal(bytes, prio, PREV_STATE);
  const stateEnd = word(bytes, state);
  const next = literal(bytes, stateEnd, NEXT_COMM);
  if (next < 0) return -1;
  argHigh[1] = bytes[stateEnd - 1] === PLUS ? 1 : 0;
  argLow[1] = bytes[state]!;
  event.textStart = next;
  return nameUntil(bytes, next, COMM_LENGTH, event, afterNextComm);
}

function afterNextComm(bytes: Uint8Array, at: number, event: TraceEvent): number {
  const { argHigh, argLow } = event;
  event.textEnd = at;
  const pid = integer(bytes, literal(bytes, at, NEXT_PID), argHigh, argLow, 2);
  return argumentsEnd(bytes, integer(bytes, literal(bytes, pid, NEXT_PRIO), argHigh, argLow, UNREAD));
}

/** Length of `:pid [prio]`, which trace-cmd prints after a comm of sched_switch. */
const SHORT_TASK_LENGTH = 16;
const PRIO_BEGIN = ascii(" [");
const PRIO_END = ascii("]");
const SHORT_ARROW = ascii(" ==> ");

/** Reads the pid of `comm:pid [prio]` backwards from the space. */
function shortPid(bytes: Uint8Array, start: number, space: number, event: TraceEvent, slot: number): number {
  let colon = space - 1;
  while (colon > start && bytes[colon] !== COLON) colon--;
  if (integer(bytes, colon + 1, event.argHigh, event.argLow, slot) !== space) return -1;
  const prio = integer(bytes, literal(bytes, space, PRIO_BEGIN), event.argHigh, event.argLow, UNREAD);
  return literal(bytes, prio, PRIO_END);
}

function afterShortPrev(bytes: Uint8Array, at: number, event: TraceEvent): number {
  const prio = shortPid(bytes, 0, at, event, 0);
  if (prio < 0 || bytes[prio] !== SPACE) return -1;
  const stateEnd = word(bytes, prio + 1);
  const next = literal(bytes, stateEnd, SHORT_ARROW);
  if (next < 0) return -1;
  event.argHigh[1] = bytes[stateEnd - 1] === PLUS ? 1 : 0;
  event.argLow[1] = bytes[prio + 1]!;
  event.textStart = next;
  return nameUntil(bytes, next, COMM_LENGTH + SHORT_TASK_LENGTH, event, afterShortNext);
}

function afterShortNext(bytes: Uint8Array, at: number, event: TraceEvent): number {
  const prio = shortPid(bytes, event.textStart, at, event, 2);
  event.textEnd = at;
  while (event.textEnd > event.textStart && bytes[event.textEnd] !== COLON) event.textEnd--;
  return argumentsEnd(bytes, prio);
}
