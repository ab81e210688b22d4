/** Maximum number of threads: more than Linux allows (PID_MAX_LIMIT of include/linux/threads.h). */
const MOST_THREADS = 1 << 22;

/** Value of {@link ThreadState.call} after a successful execve, whose exit may or may not be recorded. */
export const EXECUTED = -2;

/** The state of a thread while its events are read. */
export interface ThreadState {
  /** The system call that it is in: the kind of the entry, {@link EXECUTED}, or -1. */
  call: number;
  /** The last system call that returned: the kind of the exit, or -1. */
  ended: number;
  /** Whether that entry or exit was a raw_syscalls event. */
  byNumber: boolean;
  /** Whether both tracepoints have reported it. */
  twice: boolean;
  /** Bits 63 to 32 of the address of its last page fault. */
  faultHigh: number;
  /** Bits 31 to 0 of that address. */
  faultLow: number;
  /** The events that have reported that fault: bits of `FaultSource`. */
  faultSources: number;
  /** Width of its system calls: 64, 32 (a 32-bit process on a 64-bit kernel), or 0 if not yet known. */
  bits: number;
}

/** The threads of a trace by tid. */
export class ThreadStates {
  private readonly threads = new Map<number, ThreadState>();
  private lastTid = Number.NaN;
  private last = newState(0);

  /** @returns the state of a thread; a new state for an unknown thread */
  of(tid: number): ThreadState {
    if (tid === this.lastTid) return this.last;
    const known = this.threads.get(tid);
    if (known === undefined) this.set(tid, newState(0));
    else {
      this.lastTid = tid;
      this.last = known;
    }
    return this.last;
  }

  /** A thread created another. */
  fork(tid: number, child: number): void {
    this.set(child, newState(this.of(tid).bits));
  }

  /** A thread that is not the leader got the leader's tid in execve. */
  rename(from: number, to: number): void {
    const state = this.of(from);
    this.threads.delete(from);
    this.set(to, state);
  }

  /** A thread ended. */
  drop(tid: number): void {
    this.threads.delete(tid);
    if (this.lastTid === tid) this.lastTid = Number.NaN;
  }

  private set(tid: number, state: ThreadState): void {
    if (this.threads.size >= MOST_THREADS) this.threads.clear();
    this.threads.set(tid, state);
    this.lastTid = tid;
    this.last = state;
  }
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
