import { CALLS, isFork } from "./strace-calls.js";
import { EventKind } from "./event.js";

/** How much of a call's beginning is kept: no call whose arguments are read has more. */
const KEPT = 4096;
/** Calls that may be unfinished at once: more than there can be threads (PID_MAX_LIMIT). */
const MOST_CALLS = 1 << 22;

/** The entry of a call that makes a thread, which has been handed on. */
export interface EnteredFork {
  /** The kind of the entry. */
  readonly kind: EventKind;
  /** Whether the child is a thread of the same process. */
  readonly sameProcess: boolean;
}

/** A call that has begun on one line and ends on another. */
export interface UnfinishedCall {
  /** Its thread. */
  thread: number;
  /** Its name. */
  readonly name: string;
  /** What is behind the parenthesis; empty for calls whose arguments are not read. */
  readonly text: string;
  /** The line on which it began. */
  readonly line: number;
  /** Whether that line is counted. */
  counted: boolean;
  /** Whether it is an exit_group, whose event has been handed on. */
  done: boolean;
  /** What was handed on of it when its child was seen before it returned. */
  entered: EnteredFork | undefined;
  /** That child, or -1. */
  child: number;
  /** Whether it makes a thread that has not been seen. */
  awaitsChild: boolean;
  /** Whether the child may be that of another thread. */
  doubtful: boolean;
  /** The number that a thread in execve had before it took that of its process, or -1. */
  former: number;
}

/** The calls that have begun and not ended, one a thread. */
export interface UnfinishedCalls {
  /** Notes a call that begins; one that the thread was in has no end. */
  begin(thread: number, name: string, text: string, line: number): UnfinishedCall | undefined;
  /** Takes out the call of a thread that ends. @returns undefined when it did not begin */
  end(thread: number, name: string): UnfinishedCall | undefined;
  /** Takes out the call of a thread that is no more. */
  drop(thread: number): void;
  /** A thread took the number of its process in execve (de_thread). */
  rename(from: number, to: number): void;
  /** Gives a child to the oldest clone whose child has not been seen. @returns undefined when there is none */
  claim(child: number): UnfinishedCall | undefined;
  /** Whether a clone awaits its child. */
  awaitsChild(): boolean;
  /** Takes out all that are left at the end of the text. */
  finish(): void;
}

/**
 * Opens the list of unfinished calls.
 * @param onLeft - called with each call that has no end
 */
export function createUnfinishedCalls(onLeft: (call: UnfinishedCall) => void): UnfinishedCalls {
  const calls = new Map<number, UnfinishedCall>();
  /** Calls that awaited a child when they began, the oldest first: a search among all calls would take too long. */
  const queue: UnfinishedCall[] = [];
  let queueStart = 0;
  let awaiting = 0;

  function setAwaiting(call: UnfinishedCall, awaitsChild: boolean): void {
    if (call.awaitsChild === awaitsChild) return;
    call.awaitsChild = awaitsChild;
    awaiting += awaitsChild ? 1 : -1;
    if (awaitsChild) queue.push(call);
  }

  function take(thread: number): UnfinishedCall | undefined {
    const call = calls.get(thread);
    if (call === undefined) return undefined;
    calls.delete(thread);
    setAwaiting(call, false);
    return call;
  }

  function drop(thread: number): void {
    const call = take(thread);
    if (call !== undefined) onLeft(call);
  }

  /** The oldest call that still awaits its child. */
  function oldest(): UnfinishedCall {
    while (!queue[queueStart]!.awaitsChild) queueStart++;
    if (queueStart > 1024 && queueStart * 2 > queue.length) {
      queue.splice(0, queueStart);
      queueStart = 0;
    }
    return queue[queueStart]!;
  }

  return {
    begin(thread, name, text, line) {
      drop(thread);
      if (calls.size >= MOST_CALLS) return undefined;
      const kind = CALLS.get(name)?.kind;
      const call: UnfinishedCall = {
        thread,
        name,
        text: kind === undefined || kind === EventKind.sys_enter_execve ? "" : text.slice(0, KEPT),
        line,
        counted: false,
        done: false,
        entered: undefined,
        child: -1,
        awaitsChild: false,
        doubtful: false,
        former: -1,
      };
      calls.set(thread, call);
      if (kind !== undefined && isFork(kind)) setAwaiting(call, true);
      return call;
    },
    end(thread, name) {
      if (calls.get(thread)?.name === name) return take(thread);
      drop(thread);
      return undefined;
    },
    drop,
    rename(from, to) {
      drop(to);
      const call = take(from);
      if (call === undefined) return;
      call.former = from;
      call.thread = to;
      calls.set(to, call);
    },
    claim(child) {
      if (awaiting === 0) return undefined;
      const call = oldest();
      call.child = child;
      call.doubtful = awaiting > 1;
      setAwaiting(call, false);
      return call;
    },
    awaitsChild: () => awaiting > 0,
    finish() {
      for (const thread of calls.keys()) drop(thread);
    },
  };
}
