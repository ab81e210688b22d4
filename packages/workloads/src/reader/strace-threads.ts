/** The first thread, until a line has its tid: strace prints no tid while there is one thread only. */
const UNNUMBERED = 0;
/** Maximum number of threads: more than Linux allows (PID_MAX_LIMIT of include/linux/threads.h). */
const MOST_THREADS = 1 << 22;

/** The threads that strace follows. */
export class StraceThreads {
  /** The process of each thread. */
  private readonly processes = new Map<number, number>();
  private readonly groups = new Map<number, Set<number>>();
  private readonly attached = new Set<number>();
  /** The tid of the first thread, once a line has it. */
  private firstTid = -1;
  private last = UNNUMBERED;
  private begun = false;

  /**
   * The thread of a line.
   * @param tid - the tid in the line, -1 for none
   * @param mayBeNew - whether an unknown tid may be that of a child; if not, it is that of the first thread
   */
  of(tid: number, mayBeNew: boolean): number {
    this.begun = true;
    if (tid >= 0 && !mayBeNew) this.learnFirst(tid);
    this.last = tid < 0 ? this.unnumbered() : this.numbered(tid);
    return this.last;
  }

  /** Adds a thread if it is unknown. @returns whether it was unknown */
  addUnknown(thread: number): boolean {
    if (this.processes.has(thread)) return false;
    this.put(thread, thread);
    return true;
  }

  /** strace attached to a thread. @param tid - its tid @param isChild - whether it is known to be a child */
  attach(tid: number, isChild: boolean): void {
    if (!this.begun && !isChild) this.put(tid, tid);
    else if (this.attached.size < MOST_THREADS) this.attached.add(tid);
  }

  /** Adds the thread that a clone created. @param sameProcess - whether it is a thread of its parent's process */
  add(thread: number, parent: number, sameProcess: boolean): void {
    this.put(thread, sameProcess ? this.processOf(parent) : thread);
  }

  /** The thread of a tid in an argument or a message. */
  numbered(tid: number): number {
    return tid === this.firstTid ? UNNUMBERED : tid;
  }

  /** The process of a thread: the leader of its group. */
  processOf(thread: number): number {
    return this.processes.get(thread) ?? thread;
  }

  /** The threads of a thread's process. */
  group(thread: number): Iterable<number> {
    return this.groups.get(this.processOf(thread)) ?? [];
  }

  /** A thread ended. */
  end(thread: number): void {
    const process = this.processes.get(thread);
    if (process === undefined) return;
    this.processes.delete(thread);
    const group = this.groups.get(process)!;
    group.delete(thread);
    if (group.size === 0) this.groups.delete(process);
  }

  private put(thread: number, process: number): void {
    if (this.processes.size >= MOST_THREADS) return;
    this.end(thread);
    this.processes.set(thread, process);
    this.attached.delete(thread);
    const group = this.groups.get(process);
    if (group === undefined) this.groups.set(process, new Set([thread]));
    else group.add(thread);
  }

  /** The thread of a line without a tid: the only thread, or the last one. */
  private unnumbered(): number {
    if (this.processes.size === 1) return this.processes.keys().next().value!;
    return this.processes.size === 0 || this.processes.has(UNNUMBERED) ? UNNUMBERED : this.last;
  }

  /** A tid that no clone returned is that of the first thread. */
  private learnFirst(tid: number): void {
    const known = this.processes.has(tid) || this.attached.has(tid);
    if (!known && this.firstTid < 0 && this.processes.has(UNNUMBERED)) this.firstTid = tid;
  }
}
