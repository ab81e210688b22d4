import { CloneFlag } from "@kpkeys/core/contracts";
import type { AddressSpaces, Mm, Task, Tasks } from "@kpkeys/core/contracts";
import type { TraceEvent } from "../reader/event.js";
import { EventKind } from "../reader/event.js";
import type { ExitRecord } from "./agreement.js";
import { copyProgram, newProgram } from "./program.js";
import type { Program } from "./program.js";

/** A thread that the trace speaks of. */
export interface Thread {
  /** Its number in the trace. */
  readonly tid: number;
  /** The process that it belongs to: the number that Linux's account names. */
  pid: number;
  /** The kernel's task. */
  readonly task: Task;
  /** What is known of the program that it runs. */
  program: Program;
  /** The system call that it is in: an enter event's kind. */
  syscall: number | undefined;
  /** The call's arguments, in pairs of high and low words as the event has them. */
  readonly argHigh: Int32Array;
  /** Low words of the arguments. */
  readonly argLow: Int32Array;
  /** Whether the address space that execve builds has been entered already, before the event that tells of it. */
  execSwitched: boolean;
  /** What the model had of it when it called exit_group, if it did and somebody wants to compare. */
  exitRecord: ExitRecord | undefined;
}

/** The threads that are alive, by their numbers in the trace. */
export class Threads {
  /** Processes met so far. */
  processes = 0;
  /** Threads met so far. */
  threads = 0;
  /** Of them those that no fork made, met by an event without the number of their process. */
  strangers = 0;
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
   * @param lost - returns how many events perf has lost so far
   * @param onExit - called with each thread that ends, also when its number is used again
   */
  constructor(tasks: Tasks, spaces: AddressSpaces, lost: () => number, onExit: (thread: Thread) => void) {
    this.tasks = tasks;
    this.spaces = spaces;
    this.lost = lost;
    this.onExit = onExit;
  }

  /**
   * The thread of an event. An unknown one is taken to have lived before the trace began.
   * @param event - the event
   */
  of(event: TraceEvent): Thread {
    if (this.last?.tid === event.tid) return this.last;
    const thread = this.byTid.get(event.tid) ?? this.meet(event);
    this.last = thread;
    // Some traces have the process's number besides the thread's: then clone3 hides less.
    if (event.pid >= 0 && thread.pid !== event.pid) {
      thread.pid = event.pid;
      if (thread.tid === thread.pid) this.processes++;
    }
    return thread;
  }

  /** The thread of a number, if it is known. */
  find(tid: number): Thread | undefined {
    return this.byTid.get(tid);
  }

  /**
   * A new thread by fork, vfork or clone: the parent's call decides what it shares.
   * @param parent - the parent
   * @param tid - the child's number
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

  /** A new address space for a thread, by execve. */
  exec(thread: Thread): void {
    this.tasks.exec(thread.task, this.spaces.create());
    if (thread.pid !== thread.tid) this.processes++;
    thread.pid = thread.tid;
    thread.program = newProgram(this.lost());
  }

  /** A thread's end. */
  exit(thread: Thread): void {
    this.onExit(thread);
    this.byTid.delete(thread.tid);
    if (this.last === thread) this.last = undefined;
    this.tasks.exit(thread.task);
  }

  /** Those that have not ended. */
  alive(): Iterable<Thread> {
    return this.byTid.values();
  }

  /**
   * An unknown thread. If it is in execve by its first event (perf begins there), its address space is the one that execve is
   * building: nothing of that lies before the trace.
   */
  private meet(event: TraceEvent): Thread {
    const inExec = event.kind === EventKind.sched_process_exec || isKernelWrite(event);
    const pid = event.pid < 0 ? event.tid : event.pid;
    if (event.pid < 0) this.strangers++;
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
 * What the child of a thread in fork, vfork or clone shares. The struct that clone3 takes is not in a trace: the C library makes
 * threads and `posix_spawn` children with it, both of which share the address space.
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

/** Whether an event is a fault of the kernel that writes for the user. */
function isKernelWrite({ kind, argLow }: TraceEvent): boolean {
  return kind === EventKind.page_fault_kernel && (argLow[2]! & 2) !== 0;
}
