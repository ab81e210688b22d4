import { EventKind, TraceEvent } from "./event.js";
import { CALL_WITHOUT_END, END_WITHOUT_BEGINNING, type Ledger } from "./ledger.js";
import type { LineParser } from "./line-parser.js";
import { NEWLINE } from "./scan.js";
import { splitStraceCall } from "./strace-call.js";
import { CALLS } from "./strace-calls.js";
import { createStraceEvents } from "./strace-events.js";
import { type StraceLine, splitStraceLine } from "./strace-line.js";
import { createOwnPidfds } from "./strace-pidfds.js";
import { createStraceThreads } from "./strace-threads.js";
import { createUnfinishedCalls, type UnfinishedCall } from "./strace-unfinished.js";

const CALL = /^([a-z_]\w*)\((.*)$/s;
const RESUMED = /^<\.\.\. ([a-z_]\w*) resumed>(.*)$/s;
const ENDED = /^\+\+\+ (?:exited with|killed by) /;
const SUPERSEDED = /^\+\+\+ superseded by execve in pid (\d{1,7}) \+\+\+$/;
const MESSAGE = /^(?:strace: |\[ Process PID=)/;
/** The same message of versions before 4.6, which also had others about threads. */
const OLD_MESSAGE = /^Process \d{1,7} (?:attached|detached|resumed|suspended)/;
const UNFINISHED = "<unfinished ...>";
/** What is printed of a call in which its thread was killed. */
const KILLED = /<unfinished \.\.\.>(?=\) += \?$)/;
/** strace's message about a thread that it follows now. On the terminal it breaks into the line of a call. */
const ATTACHED = /(?:strace: )?Process (\d{1,7}) attached$/;
/** What -k prints under a call: ` > /usr/lib/libc.so.6(brk+0xb) [0x1e2b3]`. */
const STACK = /^ > \S/;
/** The end of a call that output of the traced program broke in two. */
const TAIL = /^\) += /;
const HAS_RESULT = /\) *= /;

/** The longest beginning of a line that is joined with the rest behind a message. */
const LONGEST_BROKEN = 4096;

/** Calls that are not events but say which files are pidfds. */
const OF_PIDFDS: ReadonlySet<string> = new Set(["pidfd_open", "close"]);

/** What a call is that is not read. */
function unread(name: string, text: string): string {
  return HAS_RESULT.test(text) ? name : CALL_WITHOUT_END;
}

/**
 * A parser of the lines of `strace -f`: each call becomes the events of its entry and its exit, each clone that of the fork as well.
 * Every line is in one count of the ledger: that on which a call begins is counted when the call ends.
 *
 * @param path - the trace's name for messages
 * @param ledger - where lines are counted
 * @param sink - takes each event; the record is used again for the next
 */
export function createStraceParser(path: string, ledger: Ledger, sink: (event: TraceEvent) => void): LineParser {
  const { counts } = ledger;
  const event = new TraceEvent();
  const decoder = new TextDecoder();
  const threads = createStraceThreads();
  const pidfds = createOwnPidfds(threads);
  const calls = createUnfinishedCalls((call) => {
    countBegun(call, CALL_WITHOUT_END);
  });
  const events = createStraceEvents(path, event, threads, pidfds, handOn);
  /** The beginning of a line that a message broke. */
  let broken = "";
  /** The time of the last line, where only differences are printed. */
  let clock = 0;
  let counted = false;

  /** A line with an event is counted before the event is handed on: reading may end there. */
  function handOn(handed: TraceEvent): void {
    countLine();
    sink(handed);
  }

  /** Counts the line that is read, once. @param unused - what it is when it is no part of an event */
  function countLine(unused?: string): void {
    if (counted) return;
    counted = true;
    if (unused === undefined) counts.eventLines++;
    else ledger.unused(unused);
  }

  /** Counts the line on which a call began. */
  function countBegun(call: UnfinishedCall, unused?: string): void {
    if (call.counted) return;
    call.counted = true;
    if (unused === undefined) counts.eventLines++;
    else ledger.unused(unused);
  }

  /** A thread that is not known is the child of a clone that has not returned, if there is one. */
  function meet(thread: number): void {
    const call = threads.meet(thread) ? calls.claim(thread) : undefined;
    if (call === undefined) return;
    countBegun(call);
    events.fork(call);
  }

  /** Reads a call that ended. */
  function readCall(name: string, text: string, begun?: UnfinishedCall): void {
    const form = CALLS.get(name);
    if (form === undefined && OF_PIDFDS.has(name)) {
      const call = splitStraceCall(text);
      if (call !== undefined) pidfds.note(name, call.args, call.result, event.tid);
    }
    const unused =
      form === undefined ? unread(name, text) : begun?.done ? undefined : events.call(name, form, text, begun);
    if (begun !== undefined) countBegun(begun, unused);
    countLine(unused);
  }

  function readBeginning(name: string, text: string): void {
    const begun = calls.begin(event.tid, name, text, event.line);
    if (begun === undefined) {
      countLine(CALL_WITHOUT_END);
      return;
    }
    const form = CALLS.get(name);
    // It does not return: all that happens has happened.
    if (form?.kind === EventKind.sys_enter_exit_group)
      begun.done = events.call(name, form, `${text}) = ?`) === undefined;
    // The line is counted when the call ends, unless an event has been handed on of it.
    begun.counted = counted;
    counted = true;
  }

  function readResumed(name: string, text: string): void {
    const begun = calls.end(event.tid, name);
    const isExec = CALLS.get(name)?.kind === EventKind.sys_enter_execve;
    // Nothing that is on the first line of execve is needed.
    if (begun !== undefined || isExec) readCall(name, (begun?.text ?? "") + text, begun);
    else countLine(END_WITHOUT_BEGINNING);
  }

  /** execve by a thread ends the others of its process and gives it the process's number (de_thread). */
  function supersede(number: number): void {
    const { tid } = event;
    const caller = threads.numbered(number);
    for (const thread of threads.group(tid)) {
      if (thread === tid || thread === caller) continue;
      calls.drop(thread);
      events.exit(thread);
    }
    calls.rename(caller, tid);
    threads.end(caller);
    countLine();
  }

  function readEnd(): void {
    calls.drop(event.tid);
    events.exit(event.tid);
  }

  function readWhat(what: string): void {
    const resumed = RESUMED.exec(what);
    const call = resumed === null ? CALL.exec(what) : null;
    const superseded = SUPERSEDED.exec(what);
    if (resumed !== null) readResumed(resumed[1]!, resumed[2]!);
    else if (call !== null && what.endsWith(UNFINISHED)) readBeginning(call[1]!, call[2]!.slice(0, -UNFINISHED.length));
    else if (call !== null) readCall(call[1]!, call[2]!.replace(KILLED, ""));
    else if (ENDED.test(what)) readEnd();
    else if (superseded !== null) supersede(Number(superseded[1]));
    else countLine("signal");
  }

  function timeOf({ time, relative }: StraceLine): number {
    if (!relative) return time;
    clock += time;
    return clock;
  }

  /** Reads a line that begins with a thread, a time, or what happened. */
  function readThread(line: StraceLine): void {
    const { tid, what } = line;
    event.time = timeOf(line);
    const thread = threads.of(tid, calls.awaitsChild() && !what.startsWith("<... "));
    meet(thread);
    event.tid = thread;
    readWhat(what);
  }

  /** A message at the end of a line, or alone on it: what it broke goes on on the next line. */
  function readAttached(text: string, { index, 1: tid }: RegExpExecArray): void {
    threads.attach(Number(tid), index > 0);
    if (index > 0 && index <= LONGEST_BROKEN) broken = text.slice(0, index);
    countLine("message of strace");
  }

  function readLine(line: string): void {
    const text = broken + line;
    broken = "";
    counted = false;
    const attached = ATTACHED.exec(text);
    const split = attached === null ? splitStraceLine(text) : undefined;
    if (text === "") {
      counts.blanks++;
    } else if (text.startsWith("#")) {
      counts.comments++;
    } else if (attached !== null) readAttached(text, attached);
    else if (split !== undefined && MESSAGE.test(split.what)) countLine("message of strace");
    else if (split !== undefined) readThread(split);
    else if (OLD_MESSAGE.test(text)) countLine("message of strace");
    else if (STACK.test(text)) countLine("call chain");
    else if (TAIL.test(text)) countLine(END_WITHOUT_BEGINNING);
    else ledger.unreadable("not a line of strace");
  }

  return {
    parse(bytes, end) {
      for (let at = 0; at < end;) {
        const newline = bytes.indexOf(NEWLINE, at);
        event.line = ++counts.lines;
        readLine(decoder.decode(bytes.subarray(at, newline)).trimEnd());
        at = newline + 1;
      }
    },
    finish() {
      calls.finish();
    },
  };
}
