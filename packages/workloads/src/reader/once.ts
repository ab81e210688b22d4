import { argUnsigned, EventKind, type TraceEvent } from "./event.js";
import { END_WITHOUT_BEGINNING, type Ledger } from "./ledger.js";
import { EXECUTED, type ThreadState, type ThreadStates } from "./thread-states.js";

/** Which events report a page fault; a fault is in the count of `page-faults` and in one of the others. */
export const FaultSource = {
  /** The tracepoints of exceptions. */
  exceptions: 1,
  /** The software event page-faults. */
  all: 2,
  /** The software events minor-faults and major-faults. */
  parts: 4,
} as const;

/** Decides which events are handed on. */
export interface Once {
  /**
   * Takes an event, and counts what it shows of others.
   * @param event - the event
   * @param source - of a page fault, which event reported it: a value of {@link FaultSource}
   * @param byNumber - whether a system call was reported by the tracepoint of any call
   * @returns why it is not handed on; `undefined` if it is
   */
  refusal(event: TraceEvent, source: number, byNumber: boolean): string | undefined;
}

/**
 * Makes sure that what happened once is handed on once, though several events of a recording may report it, and that halves of
 * system calls are counted.
 *
 * An entry on a thread that is in a call shows that the exit of this call is missing. An exit that no entry precedes has no
 * arguments and is not handed on. These calls do not return where they were entered, and are whole without an exit or an
 * entry: exit_group; a call in which the thread ended or the recording stopped; the return of a child from its parent's
 * clone; an execve that the recording begins in, or that gave its thread the number of another.
 *
 * @param threads - the threads of the trace
 * @param ledger - where calls without an end are counted
 */
export function createOnce(threads: ThreadStates, ledger: Ledger): Once {
  function refuseEntry(thread: ThreadState, kind: EventKind, byNumber: boolean): string | undefined {
    if (thread.call === kind && thread.byNumber !== byNumber && !thread.twice) {
      thread.twice = true;
      return "system call recorded by a second event";
    }
    leaveCall(thread);
    thread.call = kind;
    thread.ended = -1;
    thread.byNumber = byNumber;
    thread.twice = false;
    return undefined;
  }

  /** The exit of a call that the thread is in no longer is missing. */
  function leaveCall(thread: ThreadState): void {
    if (thread.call >= 0 && thread.call !== EventKind.sys_enter_exit_group) ledger.withoutEnd();
    thread.call = -1;
  }

  function refuseExit(thread: ThreadState, event: TraceEvent, byNumber: boolean): string | undefined {
    const { kind } = event;
    if (thread.call === kind - 1 || isWhole(thread, event)) {
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
    leaveCall(thread);
    return END_WITHOUT_BEGINNING;
  }

  /** A second event of a fault has the same address as the thread's last fault, which this event has not reported. */
  function refuseFault(thread: ThreadState, { argHigh, argLow }: TraceEvent, source: number): string | undefined {
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

  function executed(event: TraceEvent): void {
    const old = argUnsigned(event, 1);
    if (old !== event.tid) threads.rename(old, event.tid);
    const thread = threads.of(event.tid);
    // The recording may begin within the call.
    if (thread.call !== EventKind.sys_enter_execve) leaveCall(thread);
    thread.call = EXECUTED;
  }

  return {
    refusal(event, source, byNumber) {
      const { kind, tid } = event;
      if (kind === EventKind.sched_switch) return undefined;
      if (kind === EventKind.sched_process_exit) threads.drop(argUnsigned(event, 0));
      // A number of 0 is that of every CPU's idle thread, -1 that of threads unknown.
      if (tid <= 0) return undefined;
      if (kind < EventKind.sys_enter_exit_group) {
        const thread = threads.of(tid);
        return kind % 2 === 0 ? refuseEntry(thread, kind, byNumber) : refuseExit(thread, event, byNumber);
      }
      if (kind === EventKind.sys_enter_exit_group) return refuseEntry(threads.of(tid), kind, byNumber);
      if (source !== 0) return refuseFault(threads.of(tid), event, source);
      if (kind === EventKind.sched_process_fork) threads.fork(tid, argUnsigned(event, 1));
      else if (kind === EventKind.sched_process_exec) executed(event);
      return undefined;
    },
  };
}

/** Whether an exit needs no entry: that of an execve that has succeeded, or of a child from its parent's call. */
function isWhole(thread: ThreadState, { kind, argHigh, argLow }: TraceEvent): boolean {
  if (thread.call === EXECUTED) return kind === EventKind.sys_exit_execve;
  const isFork = kind >= EventKind.sys_exit_clone && kind <= EventKind.sys_exit_vfork;
  return isFork && thread.call === -1 && thread.ended !== kind && argHigh[0] === 0 && argLow[0] === 0;
}
