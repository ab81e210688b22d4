import { CloneFlag } from "@kpkeys/core/contracts";
import type { AddressSpaces, Mm, Task, Tasks } from "@kpkeys/core/contracts";
import type { TraceEvent } from "../reader/event.js";
import { EventKind } from "../reader/event.js";
import type { ExitRecord } from "./agreement.js";
import { copyProgram, newProgram } from "./program.js";
import type { Program } from "./program.js";

/** A thread of the trace. */
export interface Thread {
  /** Its tid in the trace. */
  readonly tid: number;
  /** Its process. */
  pid: number;
  /** The kernel's task. */
  readonly task: Task;
  /** The program that it runs. */
  program: Program;
  /** Kind of the entry of the system call that it is in. */
  syscall: number | undefined;
  /** High words of the call's arguments. */
  readonly argHigh: Int32Array;
  /** Low words of the call's arguments. */
  readonly argLow: Int32Array;
  /** Whether execve has switched to the new address space before its event. */
  execSwitched: boolean;
  /** Record of its exit_group, if VmPTE is compared. */
  exitRecord: ExitRecord | undefined;
}

/** The live threads by tid. */
export class Threads {
  /** Number of processes so far. */
  processes = 0;
  /** Number of threads so far. */
  threads = 0;
  /** Threads without a fork event whose first event does not name their process. */
  unforked = 0;
  private readonly tasks: Tasks;
  private readonly spaces: AddressSpaces;
  private readonly lost: () => number;
  private readonly onExit: (thread: Thread) => void;
  private readonly byTid = new Map<number, Thread>();
  /** The thread of the last event. */
  private last: Thread | undefined;

  /**
   * @param tasks - the kernel's tasks
   * @param spaces - the kernel's address spaces
   * @param lost - returns the number of events that perf has lost so far
   * @param onExit - called for each thread that ends, also when its tid is reused
   */
  constructor(tasks: Tasks, spaces: AddressSpaces, lost: () => number, onExit: (thread: Thread) => void) {
    this.tasks = tasks;
    this.spaces = spaces;
    this.lost = lost;
    this.onExit = onExit;
  }

  /**
   * The thread of an event. An unknown thread is taken to have started before the trace.
   * @param event - the event
   */
  of(event: TraceEvent): Thread {
    if (this.last?.tid === event.tid) return this.last;
    const thread = this.byTid.get(event.tid) ?? this.addUnknown(event);
    this.last = thread;
    // Some traces have a pid column. It corrects the guess about children of clone3.
    if (event.pid >= 0 && thread.pid !== event.pid) {
      thread.pid = event.pid;
      if (thread.tid === thread.pid) this.processes++;
    }
    return thread;
  }

  /** The live thread with a tid, if there is one. */
  find(tid: number): Thread | undefined {
    return this.byTid.get(tid);
  }

  /**
   * Adds the child of a fork, vfork or clone. The parent's call decides what it shares.
   * @param parent - the parent
   * @param tid - the child's tid
   */
  fork(parent: Thread, tid: number): void {
    const { mm, process } = sharedWithChild(parent);
    const parentMm = parent.task.mm!;
    if (mm) this.spaces.get(parentMm);
    const program = mm ? parent.program : copyProgram(parent.program);
    this.add(tid, process ? parent.pid : tid, mm ? parentMm : this.spaces.fork(parentMm), program);
    if (process) program.threaded = true;
    if (parent.syscall === EventKind.sys_enter_clone3) program.calledClone3 = true;
  }

  /** Gives a thread a new address space, by execve. */
  exec(thread: Thread): void {
    this.tasks.exec(thread.task, this.spaces.create());
    if (thread.pid !== thread.tid) this.processes++;
    thread.pid = thread.tid;
    thread.program = newProgram(this.lost());
  }

  /** Ends a thread. */
  exit(thread: Thread): void {
    this.onExit(thread);
    this.byTid.delete(thread.tid);
    if (this.last === thread) this.last = undefined;
    this.tasks.exit(thread.task);
  }

  /** The live threads. */
  alive(): Iterable<Thread> {
    return this.byTid.values();
  }

  /**
   * Adds an unknown thread. If its first event is part of an execve (a recording of perf begins there), its address space is the new one,
   * and the trace has all of it.
   */
  private addUnknown(event: TraceEvent): Thread {
    const inExec = event.kind === EventKind.sched_process_exec || isKernelWrite(event);
    const pid = event.pid < 0 ? event.tid : event.pid;
    if (event.pid < 0) this.unforked++;
    const leader = pid === event.tid ? undefined : this.byTid.get(pid);
    const shared = leader?.task.mm;
    if (leader !== undefined && shared !== undefined) {
      this.spaces.get(shared);
      leader.program.threaded = true;
      return this.add(event.tid, pid, shared, leader.program);
    }
    const thread = this.add(event.tid, pid, this.spaces.create(), newProgram(this.lost(), !inExec));
    thread.execSwitched = inExec;
    return thread;
  }

  private add(tid: number, pid: number, mm: Mm, program: Program): Thread {
    const flags = tid === pid ? 0 : CloneFlag.THREAD;
    const stale = this.byTid.get(tid);
    if (stale !== undefined) this.exit(stale);
    const thread: Thread = {
      tid,
      pid,
      task: this.tasks.create(mm, flags),
      program,
      syscall: undefined,
      argHigh: new Int32Array(6),
      argLow: new Int32Array(6),
      execSwitched: false,
      exitRecord: undefined,
    };
    this.byTid.set(tid, thread);
    this.threads++;
    if (tid === pid) this.processes++;
    return thread;
  }
}

/**
 * Whether the child of a thread in fork, vfork or clone shares its address space and its process. The struct clone_args of clone3 is not
 * in a trace. The C library uses clone3 for threads and for `posix_spawn`; both share the address space.
 */
function sharedWithChild({ syscall, argLow }: Thread): { readonly mm: boolean; readonly process: boolean } {
  switch (syscall) {
    case EventKind.sys_enter_vfork:
      return { mm: true, process: false };
    case EventKind.sys_enter_clone:
      return { mm: (argLow[0]! & CloneFlag.VM) !== 0, process: (argLow[0]! & CloneFlag.THREAD) !== 0 };
    case EventKind.sys_enter_clone3:
      return { mm: true, process: true };
    default:
      return { mm: false, process: false };
  }
}

/** Whether an event is a fault of a kernel write to user memory. */
function isKernelWrite({ kind, argLow }: TraceEvent): boolean {
  return kind === EventKind.page_fault_kernel && (argLow[2]! & 2) !== 0;
}
