import { EventKind, TraceEvent } from "./event.js";
import { CALL_WITHOUT_END, END_WITHOUT_BEGINNING, type Ledger, type LineCounts } from "./ledger.js";
import type { LineParser } from "./line-parser.js";
import { NEWLINE } from "./scan.js";
import { splitStraceCall } from "./strace-call.js";
import { CALLS } from "./strace-calls.js";
import { StraceEvents } from "./strace-events.js";
import { type StraceLine, splitStraceLine } from "./strace-line.js";
import { OwnPidfds } from "./strace-pidfds.js";
import { StraceThreads } from "./strace-threads.js";
import { type UnfinishedCall, UnfinishedCalls } from "./strace-unfinished.js";

const CALL = /^([a-z_]\w*)\((.*)$/s;
const RESUMED = /^<\.\.\. ([a-z_]\w*) resumed>(.*)$/s;
const ENDED = /^\+\+\+ (?:exited with|killed by) /;
const SUPERSEDED = /^\+\+\+ superseded by execve in pid (\d{1,7}) \+\+\+$/;
const MESSAGE = /^(?:strace: |\[ Process PID=)/;
/** Messages about threads of versions before 4.6. */
const OLD_MESSAGE = /^Process \d{1,7} (?:attached|detached|resumed|suspended)/;
const UNFINISHED = "<unfinished ...>";
/** The mark of a call in which the thread was killed. */
const KILLED = /<unfinished \.\.\.>(?=\) += \?$)/;
/** The message about a newly attached thread. On a terminal it interrupts the line of a call. */
const ATTACHED = /(?:strace: )?Process (\d{1,7}) attached$/;
/** A line of a stack from -k: ` > /usr/lib/libc.so.6(brk+0xb) [0x1e2b3]`. */
const STACK = /^ > \S/;
/** The end of a call whose line was interrupted by output of the traced program. */
const TAIL = /^\) += /;
const HAS_RESULT = /\) *= /;

/** Maximum length of an interrupted line that is joined with its rest. */
const LONGEST_BROKEN = 4096;

/** Calls that are not events but open or close pidfds. */
const OF_PIDFDS: ReadonlySet<string> = new Set(["pidfd_open", "close"]);

/** Description of a call that is not read. */
function unread(name: string, text: string): string {
  return HAS_RESULT.test(text) ? name : CALL_WITHOUT_END;
}

/**
 * Parses the lines of `strace -f`. Each call gives the events of its entry and its exit; a clone also gives the event of the fork. Each
 * line is in one count of the ledger. The first line of an unfinished call is counted when the call ends.
 */
export class StraceParser implements LineParser {
  private readonly counts: LineCounts;
  private readonly event = new TraceEvent();
  private readonly decoder = new TextDecoder();
  private readonly threads = new StraceThreads();
  private readonly pidfds = new OwnPidfds(this.threads);
  private readonly calls = new UnfinishedCalls((call) => {
    this.count(call, CALL_WITHOUT_END);
  });
  private readonly events: StraceEvents;
  /** The beginning of a line that a message interrupted. */
  private broken = "";
  /** The time of the last line, for a text with relative times. */
  private clock = 0;
  /** Whether the current line has been counted. */
  private readonly line = { counted: false };

  /**
   * @param path - the trace, for errors
   * @param ledger - counts the lines
   * @param sink - called for each event; the record is reused for the next
   */
  constructor(
    path: string,
    private readonly ledger: Ledger,
    sink: (event: TraceEvent) => void,
  ) {
    this.counts = ledger.counts;
    this.events = new StraceEvents(path, this.event, this.threads, this.pidfds, (handed) => {
      // Count the line before the sink gets its event, because reading may end there.
      this.count(this.line);
      sink(handed);
    });
  }

  /** Reads lines; {@link LineParser.parse}. */
  parse(bytes: Uint8Array, end: number): void {
    for (let at = 0; at < end;) {
      const newline = bytes.indexOf(NEWLINE, at);
      this.event.line = ++this.counts.lines;
      this.readLine(this.decoder.decode(bytes.subarray(at, newline)).trimEnd());
      at = newline + 1;
    }
  }

  /** Counts the calls without an end. */
  finish(): void {
    this.calls.finish();
  }

  /** Counts a line once. @param unused - its description if it has no event */
  private count(line: { counted: boolean }, unused?: string): void {
    if (line.counted) return;
    line.counted = true;
    if (unused === undefined) this.counts.eventLines++;
    else this.ledger.unused(unused);
  }

  /** An unknown thread is the child of a clone that has not returned, if there is one. */
  private addUnknown(thread: number): void {
    const call = this.threads.addUnknown(thread) ? this.calls.claim(thread) : undefined;
    if (call === undefined) return;
    this.count(call);
    this.events.fork(call);
  }

  /** Reads a finished call. */
  private readCall(name: string, text: string, begun?: UnfinishedCall): void {
    const form = CALLS.get(name);
    if (form === undefined && OF_PIDFDS.has(name)) {
      const call = splitStraceCall(text);
      if (call !== undefined) this.pidfds.note(name, call.args, call.result, this.event.tid);
    }
    const unused =
      form === undefined ? unread(name, text) : begun?.done ? undefined : this.events.call(name, form, text, begun);
    if (begun !== undefined) this.count(begun, unused);
    this.count(this.line, unused);
  }

  private readBeginning(name: string, text: string): void {
    const begun = this.calls.begin(this.event.tid, name, text, this.event.line);
    if (begun === undefined) {
      this.count(this.line, CALL_WITHOUT_END);
      return;
    }
    const form = CALLS.get(name);
    // exit_group does not return, so its event is complete.
    if (form?.kind === EventKind.sys_enter_exit_group)
      begun.done = this.events.call(name, form, `${text}) = ?`) === undefined;
    // The line is counted when the call ends, unless it already gave an event.
    begun.counted = this.line.counted;
    this.line.counted = true;
  }

  private readResumed(name: string, text: string): void {
    const begun = this.calls.end(this.event.tid, name);
    const isExec = CALLS.get(name)?.kind === EventKind.sys_enter_execve;
    // The first line of execve is not needed.
    if (begun !== undefined || isExec) this.readCall(name, (begun?.text ?? "") + text, begun);
    else this.count(this.line, END_WITHOUT_BEGINNING);
  }

  /** execve ends the other threads of the process and gives the caller the tid of the leader (de_thread of fs/exec.c). */
  private supersede(callerTid: number): void {
    const { tid } = this.event;
    const caller = this.threads.numbered(callerTid);
    for (const thread of this.threads.group(tid)) {
      if (thread === tid || thread === caller) continue;
      this.calls.drop(thread);
      this.events.exit(thread);
    }
    this.calls.rename(caller, tid);
    this.threads.end(caller);
    this.count(this.line);
  }

  private readEnd(): void {
    this.calls.drop(this.event.tid);
    this.events.exit(this.event.tid);
  }

  private readWhat(what: string): void {
    const resumed = RESUMED.exec(what);
    const call = resumed === null ? CALL.exec(what) : null;
    const superseded = SUPERSEDED.exec(what);
    if (resumed !== null) this.readResumed(resumed[1]!, resumed[2]!);
    else if (call !== null && what.endsWith(UNFINISHED))
      this.readBeginning(call[1]!, call[2]!.slice(0, -UNFINISHED.length));
    else if (call !== null) this.readCall(call[1]!, call[2]!.replace(KILLED, ""));
    else if (ENDED.test(what)) this.readEnd();
    else if (superseded !== null) this.supersede(Number(superseded[1]));
    else this.count(this.line, "signal");
  }

  private timeOf({ time, relative }: StraceLine): number {
    if (!relative) return time;
    this.clock += time;
    return this.clock;
  }

  /** Reads a line of a thread. */
  private readThread(line: StraceLine): void {
    const { tid, what } = line;
    this.event.time = this.timeOf(line);
    const thread = this.threads.of(tid, this.calls.awaitsChild() && !what.startsWith("<... "));
    this.addUnknown(thread);
    this.event.tid = thread;
    this.readWhat(what);
  }

  /** Reads a message at the end of a line or on its own line. The interrupted line continues on the next one. */
  private readAttached(text: string, { index, 1: tid }: RegExpExecArray): void {
    this.threads.attach(Number(tid), index > 0);
    if (index > 0 && index <= LONGEST_BROKEN) this.broken = text.slice(0, index);
    this.count(this.line, "message of strace");
  }

  private readLine(line: string): void {
    const text = this.broken + line;
    this.broken = "";
    this.line.counted = false;
    const attached = ATTACHED.exec(text);
    const split = attached === null ? splitStraceLine(text) : undefined;
    if (text === "") this.counts.blanks++;
    else if (text.startsWith("#")) this.counts.comments++;
    else if (attached !== null) this.readAttached(text, attached);
    else if (split !== undefined && MESSAGE.test(split.what)) this.count(this.line, "message of strace");
    else if (split !== undefined) this.readThread(split);
    else if (OLD_MESSAGE.test(text)) this.count(this.line, "message of strace");
    else if (STACK.test(text)) this.count(this.line, "call chain");
    else if (TAIL.test(text)) this.count(this.line, END_WITHOUT_BEGINNING);
    else this.ledger.unreadable("not a line of strace");
  }
}
