import { EventKind, TraceEvent } from "./event.js";
import type { Ledger } from "./ledger.js";
import type { LineParser } from "./line-parser.js";
import { NEWLINE } from "./scan.js";
import { straceNumber } from "./strace-numbers.js";

/** `[pid N] ` or `N `, then a time by -ttt or another of the -t flags, each perhaps left out; then what happened. */
const LINE = /^(?:\[pid +(\d{1,7})\] +|(\d{1,7}) +)?(?:(\d{1,12})\.(\d{6}) +|\d\d:\d\d:\d\d(?:\.\d+)? +)?(.*)$/s;
const CALL = /^([a-z_]\w*)\((.*)$/s;
const RESUMED = /^<\.\.\. ([a-z_]\w*) resumed>(.*)$/s;
const ENDED = /^\+\+\+ (?:exited with|killed by) /;
const RESULT = /\)\s*= (\?|0x[0-9a-f]+|-?\d+)(?: ([A-Z]+))?[^=]*$/;
const UNFINISHED = / ?<unfinished \.\.\.>$/;
/** strace's own message, which breaks into the line of the parent's clone when it is not written to a file. */
const ATTACHED = /strace: Process \d+ attached$/;

/** What is kept of a line's beginning, and of its end: no call that matters is longer but execve, whose arguments do not. */
const KEPT = 2048;
/** Calls that may be unfinished at once, and threads known: more than there can be. */
const MOST_THREADS = 1 << 22;

/** The calls that are read: the kind of their entry, and how many numbers stand in it. */
const CALLS: Readonly<Record<string, readonly [enter: EventKind, count: number]>> = {
  mmap: [EventKind.sys_enter_mmap, 6],
  munmap: [EventKind.sys_enter_munmap, 2],
  mprotect: [EventKind.sys_enter_mprotect, 3],
  mremap: [EventKind.sys_enter_mremap, 5],
  brk: [EventKind.sys_enter_brk, 1],
  madvise: [EventKind.sys_enter_madvise, 3],
  clone: [EventKind.sys_enter_clone, 0],
  clone3: [EventKind.sys_enter_clone, 0],
  fork: [EventKind.sys_enter_fork, 0],
  vfork: [EventKind.sys_enter_vfork, 0],
  execve: [EventKind.sys_enter_execve, 0],
  exit_group: [EventKind.sys_enter_exit_group, 0],
};

/** Calls that make threads and processes. */
const FORKS: readonly EventKind[] = [EventKind.sys_enter_clone, EventKind.sys_enter_fork, EventKind.sys_enter_vfork];

/** A call that has begun on one line and ends on another. */
interface Unfinished {
  readonly text: string;
  /** The child that was seen before the parent's call returned. */
  child: number;
}

/**
 * A parser of the lines of `strace -f -ttt`: each call becomes the events of its entry and its exit, each clone that of the fork as
 * well.
 *
 * @param ledger - where lines are counted
 * @param sink - takes each event; the record is used again for the next
 */
export function createStraceParser(ledger: Ledger, sink: (event: TraceEvent) => void): LineParser {
  const { counts } = ledger;
  const event = new TraceEvent();
  const decoder = new TextDecoder();
  const unfinished = new Map<number, Unfinished>();
  const known = new Set<number>();
  /** The beginning of a line that strace broke to say something. */
  let broken = "";
  /** Number of the first thread, which has none on its lines until there is a second; -1 before it is told. */
  let first = -1;

  function textOf(bytes: Uint8Array, start: number, end: number): string {
    if (end - start <= 2 * KEPT) return decoder.decode(bytes.subarray(start, end));
    return decoder.decode(bytes.subarray(start, start + KEPT)) + decoder.decode(bytes.subarray(end - KEPT, end));
  }

  function emit(kind: EventKind, values: readonly bigint[]): void {
    event.kind = kind;
    values.forEach((value, slot) => {
      event.argHigh[slot] = Number(BigInt.asIntN(32, value >> 32n));
      event.argLow[slot] = Number(BigInt.asIntN(32, value));
    });
    sink(event);
  }

  function enter(name: string, args: string): void {
    const [kind, count] = CALLS[name]!;
    if (kind === EventKind.sys_enter_clone) {
      emit(kind, [straceNumber(/flags=([^,}]*)/.exec(args)?.[1] ?? ""), 0n, 0n, 0n, 0n]);
      return;
    }
    const values = args.split(",", count);
    emit(
      kind,
      Array.from({ length: count }, (_, slot) => straceNumber(values[slot] ?? "")),
    );
  }

  /** A thread that nobody made is the child of a clone that has not returned yet, if there is one. */
  function meet(tid: number): void {
    if (known.has(tid) || known.size >= MOST_THREADS) return;
    known.add(tid);
    for (const [parent, call] of unfinished) {
      const name = CALL.exec(call.text)?.[1] ?? "";
      if (call.child >= 0 || !FORKS.includes(CALLS[name]?.[0] ?? EventKind.sched_switch)) continue;
      call.child = tid;
      event.tid = parent;
      enter(name, call.text.slice(name.length + 1));
      emit(EventKind.sched_process_fork, [BigInt(parent), BigInt(tid)]);
      return;
    }
    if (first < 0 && known.has(0)) first = tid;
  }

  function finishCall(name: string, args: string, child: number): void {
    const result = RESULT.exec(args);
    if (result === null || CALLS[name] === undefined) {
      if (result === null) ledger.unreadable("not a line of strace");
      else ledger.unused(name);
      return;
    }
    const [kind] = CALLS[name];
    const [, value = "?", errno] = result;
    if (child < 0) enter(name, args.slice(0, result.index));
    if (kind === EventKind.sys_enter_exit_group) return;
    const returned = errno === undefined ? straceNumber(value === "?" ? "0" : value) : -(straceNumber(errno) || 1n);
    const made = Number(returned);
    if (FORKS.includes(kind) && made > 0 && child < 0) {
      known.add(made);
      emit(EventKind.sched_process_fork, [BigInt(event.tid), returned]);
    }
    if (kind === EventKind.sys_enter_execve && returned === 0n && value !== "?")
      emit(EventKind.sched_process_exec, [BigInt(event.tid), BigInt(event.tid)]);
    if (value !== "?") emit((kind + 1) as EventKind, [returned]);
  }

  function readWhat(what: string): void {
    const resumed = RESUMED.exec(what);
    if (resumed !== null) {
      const begun = unfinished.get(event.tid);
      unfinished.delete(event.tid);
      if (begun === undefined) ledger.unused("end of a call without its beginning");
      else readCall(begun.text + resumed[2]!, begun.child);
    } else if (ENDED.test(what)) {
      known.delete(event.tid);
      unfinished.delete(event.tid);
      emit(EventKind.sched_process_exit, [BigInt(event.tid), -1n]);
    } else if (what.startsWith("--- ") || what.startsWith("+++ ")) ledger.unused("signal");
    else if (ATTACHED.test(what) && !CALL.test(what)) ledger.unused("message of strace");
    else readCall(what, -1);
  }

  function readCall(text: string, child: number): void {
    const call = CALL.exec(text);
    if (call === null) ledger.unreadable("not a line of strace");
    else if (!UNFINISHED.test(text)) finishCall(call[1]!, call[2]!, child);
    else if (unfinished.size < MOST_THREADS)
      unfinished.set(event.tid, { text: text.replace(UNFINISHED, "").slice(0, 2 * KEPT), child: -1 });
  }

  function readLine(line: string): void {
    const text = broken + line;
    broken = "";
    if (text.trim() === "") {
      counts.blanks++;
      return;
    }
    const [, inBrackets, bare, seconds, micros, what = ""] = LINE.exec(text) ?? [];
    if (ATTACHED.test(what) && CALL.test(what)) {
      broken = text.replace(ATTACHED, "");
      ledger.unused("message of strace");
      return;
    }
    const tid = Number(inBrackets ?? bare ?? 0);
    meet(tid);
    event.tid = tid === first ? 0 : tid;
    event.time = seconds === undefined ? Number.NaN : Number(seconds) * 1e9 + Number(micros) * 1000;
    readWhat(what);
  }

  return {
    parse(bytes, end) {
      for (let at = 0; at < end;) {
        const newline = bytes.indexOf(NEWLINE, at);
        event.line = ++counts.lines;
        readLine(textOf(bytes, at, newline).trimEnd());
        at = newline + 1;
      }
    },
  };
}
