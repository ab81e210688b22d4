import { argUnsigned, EventKind, type TraceEvent } from "./event.js";
import { END_WITHOUT_BEGINNING, type Ledger } from "./ledger.js";
import { EXECUTED, type ThreadState, type ThreadStates } from "./thread-states.js";

/** The events that report a page fault. `page-faults` counts every fault, so another event may report the same one. */
export const FaultSource = {
  /** The tracepoints of exceptions. */
  exceptions: 1,
  /** The software event page-faults. */
  all: 2,
  /** The software events minor-faults and major-faults. */
  parts: 4,
} as const;

/**
 * Removes duplicate events: several events of a recording may report the same system call or fault. Also counts calls with only an entry
 * or only an exit.
 *
 * An entry on a thread that is in a call shows that the exit of that call is missing. An exit without an entry has no arguments and is
 * skipped. These calls are complete without an entry or an exit: exit_group; a call in which the thread or the recording ended; the
 * return of clone in the child; an execve at the start of the recording, or one that gave its thread the tid of the leader.
 */
export class EventFilter {
  private readonly threads: ThreadStates;
  private readonly ledger: Ledger;

  /**
   * @param threads - the threads of the trace
   * @param ledger - counts calls without an exit
   */
  constructor(threads: ThreadStates, ledger: Ledger) {
    this.threads = threads;
    this.ledger = ledger;
  }

  /**
   * Checks an event.
   * @param event - the event
   * @param source - for a page fault, the event that reported it: a value of {@link FaultSource}; else 0
   * @param byNumber - whether a system call is a raw_syscalls event
   * @returns the reason to skip the event, or `undefined`
   */
  skipReason(event: TraceEvent, source: number, byNumber: boolean): string | undefined {
    const { kind, tid } = event;
    const { threads } = this;
    if (kind === EventKind.sched_switch) return undefined;
    if (kind === EventKind.sched_process_exit) threads.drop(argUnsigned(event, 0));
    // Tid 0 is the idle thread of every CPU, -1 is an unknown thread.
    if (tid <= 0) return undefined;
    if (kind < EventKind.sys_enter_exit_group) {
      const thread = threads.of(tid);
      return kind % 2 === 0 ? this.entry(thread, kind, byNumber) : this.exit(thread, event, byNumber);
    }
    if (kind === EventKind.sys_enter_exit_group) return this.entry(threads.of(tid), kind, byNumber);
    if (source !== 0) return duplicateFault(threads.of(tid), event, source);
    if (kind === EventKind.sched_process_fork) threads.fork(tid, argUnsigned(event, 1));
    else if (kind === EventKind.sched_process_exec) this.executed(event);
    return undefined;
  }

  private entry(thread: ThreadState, kind: EventKind, byNumber: boolean): string | undefined {
    if (thread.call === kind && thread.byNumber !== byNumber && !thread.twice) {
      thread.twice = true;
      return "system call recorded by a second event";
    }
    this.leaveCall(thread);
    thread.call = kind;
    thread.ended = -1;
    thread.byNumber = byNumber;
    thread.twice = false;
    return undefined;
  }

  private exit(thread: ThreadState, event: TraceEvent, byNumber: boolean): string | undefined {
    const { kind } = event;
    if (thread.call === kind - 1 || isComplete(thread, event)) {
      thread.call = -1;
      thread.ended = kind;
      thread.byNumber = byNumber;
      thread.twice = false;
      return undefined;
    }
    if (thread.ended === kind && thread.byNumber !== byNumber && !thread.twice) {
      thread.twice = true;
      return "system call recorded by a second event";
    }
    this.leaveCall(thread);
    return END_WITHOUT_BEGINNING;
  }

  /** The exit of the call that the thread was in is missing. */
  private leaveCall(thread: ThreadState): void {
    if (thread.call >= 0 && thread.call !== EventKind.sys_enter_exit_group) this.ledger.withoutEnd();
    thread.call = -1;
  }

  private executed(event: TraceEvent): void {
    const oldTid = argUnsigned(event, 1);
    if (oldTid !== event.tid) this.threads.rename(oldTid, event.tid);
    const thread = this.threads.of(event.tid);
    // The recording may begin within the call.
    if (thread.call !== EventKind.sys_enter_execve) this.leaveCall(thread);
    thread.call = EXECUTED;
  }
}

/** A duplicate has the address of the thread's last fault and a source that has not reported it. */
function duplicateFault(thread: ThreadState, { argHigh, argLow }: TraceEvent, source: number): string | undefined {
  const [high, low] = [argHigh[0]!, argLow[0]!];
  if (thread.faultHigh === high && thread.faultLow === low && thread.faultSources !== 0) {
    const known = (thread.faultSources & source) !== 0;
    thread.faultSources = known ? source : thread.faultSources | source;
    return known ? undefined : "page fault recorded by a second event";
  }
  thread.faultHigh = high;
  thread.faultLow = low;
  thread.faultSources = source;
  return undefined;
}

/** Whether an exit needs no entry: the exit of a successful execve, or the return of clone in the child. */
function isComplete(thread: ThreadState, { kind, argHigh, argLow }: TraceEvent): boolean {
  if (thread.call === EXECUTED) return kind === EventKind.sys_exit_execve;
  const isFork = kind >= EventKind.sys_exit_clone && kind <= EventKind.sys_exit_vfork;
  return isFork && thread.call === -1 && thread.ended !== kind && argHigh[0] === 0 && argLow[0] === 0;
}
