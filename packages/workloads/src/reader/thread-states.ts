/** Threads that are remembered at once: more than there can be (PID_MAX_LIMIT of include/linux/threads.h). */
const MOST_THREADS = 1 << 22;

/** In place of the call that a thread is in: an execve that has succeeded, whose return may be recorded or not. */
export const EXECUTED = -2;

/** What is known of a thread while its events are read. */
export interface ThreadState {
  /** The system call that it is in: the kind of the entry, {@link EXECUTED}, or -1. */
  call: number;
  /** The system call that it returned from last: the kind of the exit, or -1. */
  ended: number;
  /** Which tracepoint reported that entry or exit: one of the call itself, or that of any call. */
  byNumber: boolean;
  /** Whether the other tracepoint has reported it too. */
  twice: boolean;
  /** Bits 63 to 32 of the address of its last page fault. */
  faultHigh: number;
  /** Bits 31 to 0 of that address. */
  faultLow: number;
  /** Which events have reported that fault, as a set of bits. */
  faultSources: number;
  /** The width of its system calls' numbers: 64, 32 (a 32-bit process on a 64-bit kernel), or 0 as long as nothing has shown it. */
  bits: number;
}

/** The threads of a trace by their numbers. */
export interface ThreadStates {
  /** @returns the state of a thread, a new one if it is not known */
  of(tid: number): ThreadState;
  /** A thread has made another. */
  fork(tid: number, child: number): void;
  /** A thread has taken the number of another, which has ended (execve by another than the first thread of a process). */
  rename(from: number, to: number): void;
  /** A thread has ended. */
  drop(tid: number): void;
}

/** Makes the table of threads. */
export function createThreadStates(): ThreadStates {
  const threads = new Map<number, ThreadState>();
  let lastTid = Number.NaN;
  let last = newState(0);

  function set(tid: number, state: ThreadState): void {
    if (threads.size >= MOST_THREADS) threads.clear();
    threads.set(tid, state);
    lastTid = tid;
    last = state;
  }

  function of(tid: number): ThreadState {
    if (tid === lastTid) return last;
    const known = threads.get(tid);
    if (known === undefined) set(tid, newState(0));
    else {
      lastTid = tid;
      last = known;
    }
    return last;
  }

  return {
    of,
    fork(tid, child) {
      set(child, newState(of(tid).bits));
    },
    rename(from, to) {
      const state = of(from);
      threads.delete(from);
      set(to, state);
    },
    drop(tid) {
      threads.delete(tid);
      if (lastTid === tid) lastTid = Number.NaN;
    },
  };
}

function newState(bits: number): ThreadState {
  return {
    call: -1,
    ended: -1,
    byNumber: false,
    twice: false,
    faultHigh: 0,
    faultLow: 0,
    faultSources: 0,
    bits,
  };
}
