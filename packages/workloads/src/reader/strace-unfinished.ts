import { CALLS, isFork } from "./strace-calls.js";
import { EventKind } from "./event.js";

/** Characters kept of the first line of a call: more than any call whose arguments are read has. */
const KEPT = 4096;
/** Maximum number of unfinished calls: more than Linux allows threads (PID_MAX_LIMIT of include/linux/threads.h). */
const MOST_CALLS = 1 << 22;

/** The entry of a fork or clone that was passed to the sink. */
export interface EnteredFork {
  /** The kind of the entry. */
  readonly kind: EventKind;
  /** Whether the child is a thread of the same process. */
  readonly sameProcess: boolean;
}

/** A call that begins on one line and ends on another. */
export interface UnfinishedCall {
  /** Its thread. */
  thread: number;
  /** Its name. */
  readonly name: string;
  /** The text after the parenthesis; empty for calls whose arguments are not read. */
  readonly text: string;
  /** Its first line. */
  readonly line: number;
  /** Whether that line is counted. */
  counted: boolean;
  /** Whether it is an exit_group whose event was passed to the sink. */
  done: boolean;
  /** Its entry, if its child occurred before it returned. */
  entered: EnteredFork | undefined;
  /** That child, or -1. */
  child: number;
  /** Whether it creates a thread that has not occurred yet. */
  awaitsChild: boolean;
  /** Whether the child may be that of another thread. */
  doubtful: boolean;
  /** Former tid of a thread that got its leader's tid in execve, or -1. */
  former: number;
}

/** The unfinished calls, at most one per thread. */
export class UnfinishedCalls {
  private readonly calls = new Map<number, UnfinishedCall>();
  /** Calls that awaited a child at their start, the oldest first: a search of all calls would take too long. */
  private readonly queue: UnfinishedCall[] = [];
  private queueStart = 0;
  private awaiting = 0;

  /** @param onLeft - called for each call without an end */
  constructor(private readonly onLeft: (call: UnfinishedCall) => void) {}

  /** A call begins. The last call of the thread, if it is unfinished, has no end. @returns undefined if there are too many calls */
  begin(thread: number, name: string, text: string, line: number): UnfinishedCall | undefined {
    this.drop(thread);
    if (this.calls.size >= MOST_CALLS) return undefined;
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
    this.calls.set(thread, call);
    if (kind !== undefined && isFork(kind)) {
      call.awaitsChild = true;
      this.awaiting++;
      this.queue.push(call);
    }
    return call;
  }

  /** A call ends. @returns the call, or undefined if it did not begin */
  end(thread: number, name: string): UnfinishedCall | undefined {
    if (this.calls.get(thread)?.name === name) return this.remove(thread);
    this.drop(thread);
    return undefined;
  }

  /** A thread ended: its call has no end. */
  drop(thread: number): void {
    const call = this.remove(thread);
    if (call !== undefined) this.onLeft(call);
  }

  /** A thread got the tid of its leader in execve (de_thread of fs/exec.c). */
  rename(from: number, to: number): void {
    this.drop(to);
    const call = this.remove(from);
    if (call === undefined) return;
    call.former = from;
    call.thread = to;
    this.calls.set(to, call);
  }

  /** Assigns a child to the oldest clone that awaits one. @returns that clone, or undefined */
  claim(child: number): UnfinishedCall | undefined {
    if (this.awaiting === 0) return undefined;
    const call = this.oldest();
    call.child = child;
    call.doubtful = this.awaiting > 1;
    this.stopAwaiting(call);
    return call;
  }

  /** Whether a clone awaits its child. */
  awaitsChild(): boolean {
    return this.awaiting > 0;
  }

  /** Ends the text: the remaining calls have no end. */
  finish(): void {
    for (const thread of this.calls.keys()) this.drop(thread);
  }

  private remove(thread: number): UnfinishedCall | undefined {
    const call = this.calls.get(thread);
    if (call === undefined) return undefined;
    this.calls.delete(thread);
    this.stopAwaiting(call);
    return call;
  }

  private stopAwaiting(call: UnfinishedCall): void {
    if (!call.awaitsChild) return;
    call.awaitsChild = false;
    this.awaiting--;
  }

  /** The oldest call that awaits its child. */
  private oldest(): UnfinishedCall {
    const { queue } = this;
    while (!queue[this.queueStart]!.awaitsChild) this.queueStart++;
    if (this.queueStart > 1024 && this.queueStart * 2 > queue.length) {
      queue.splice(0, this.queueStart);
      this.queueStart = 0;
    }
    return queue[this.queueStart]!;
  }
}
