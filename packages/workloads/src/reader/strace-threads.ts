/** The first thread, as long as no line has its number: strace prints none while there is only one. */
const UNNUMBERED = 0;
/** Threads known at once: more than there can be (PID_MAX_LIMIT). */
const MOST_THREADS = 1 << 22;

/** The threads that strace follows. */
export interface StraceThreads {
  /**
   * The thread of a line.
   * @param tid - the number on the line, -1 for none
   * @param mayBeNew - whether a number that is not known may be that of a child, rather than that of the first thread
   */
  of(tid: number, mayBeNew: boolean): number;
  /** Notes a thread. @returns whether it was not known */
  meet(thread: number): boolean;
  /** Notes that strace attached to a thread. @param tid - its number @param isChild - whether it is known to be a child */
  attach(tid: number, isChild: boolean): void;
  /** Notes the thread that a clone made, in its parent's group if it is a thread of the same process. */
  add(thread: number, parent: number, sameProcess: boolean): void;
  /** The thread of a number that an argument or a message has. */
  numbered(tid: number): number;
  /** The process of a thread: its group's leader. */
  processOf(thread: number): number;
  /** The threads of the process of a thread. */
  group(thread: number): Iterable<number>;
  /** A thread's end. */
  end(thread: number): void;
}

/** Opens the list of threads. */
export function createStraceThreads(): StraceThreads {
  /** Each thread with its process. */
  const processes = new Map<number, number>();
  const groups = new Map<number, Set<number>>();
  const attached = new Set<number>();
  /** The number of the first thread, once a line has it. */
  let firstNumber = -1;
  let last = UNNUMBERED;
  let begun = false;

  function put(thread: number, process: number): void {
    if (processes.size >= MOST_THREADS) return;
    if (processes.has(thread)) end(thread);
    processes.set(thread, process);
    attached.delete(thread);
    const group = groups.get(process);
    if (group === undefined) groups.set(process, new Set([thread]));
    else group.add(thread);
  }

  function end(thread: number): void {
    const process = processes.get(thread);
    if (process === undefined) return;
    processes.delete(thread);
    const group = groups.get(process)!;
    group.delete(thread);
    if (group.size === 0) groups.delete(process);
  }

  /** A line without a number is of the only thread that there is. */
  function unnumbered(): number {
    if (processes.size === 1) return processes.keys().next().value!;
    return processes.size === 0 || processes.has(UNNUMBERED) ? UNNUMBERED : last;
  }

  function numbered(tid: number): number {
    return tid === firstNumber ? UNNUMBERED : tid;
  }

  /** A number that no clone made is that of the first thread. */
  function learnFirst(tid: number): void {
    const known = processes.has(tid) || attached.has(tid);
    if (!known && firstNumber < 0 && processes.has(UNNUMBERED)) firstNumber = tid;
  }

  return {
    of(tid, mayBeNew) {
      begun = true;
      if (tid >= 0 && !mayBeNew) learnFirst(tid);
      last = tid < 0 ? unnumbered() : numbered(tid);
      return last;
    },
    meet(thread) {
      if (processes.has(thread)) return false;
      put(thread, thread);
      return true;
    },
    attach(tid, isChild) {
      if (!begun && !isChild) put(tid, tid);
      else if (attached.size < MOST_THREADS) attached.add(tid);
    },
    add(thread, parent, sameProcess) {
      put(thread, sameProcess ? (processes.get(parent) ?? parent) : thread);
    },
    numbered,
    processOf: (thread) => processes.get(thread) ?? thread,
    group: (thread) => groups.get(processes.get(thread) ?? thread) ?? [],
    end,
  };
}
