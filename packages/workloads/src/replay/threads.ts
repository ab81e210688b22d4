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
  /** The system call that it is in: an enter event's kind, or -1. */
  syscall: number;
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
export interface Threads {
  /** Processes met so far. */
  readonly processes: number;
  /** Threads met so far. */
  readonly threads: number;
  /** Of them those that no fork made, met by an event without the number of their process. */
  readonly strangers: number;
  /**
   * The thread of an event; one never heard of is taken to have lived before the trace began.
   * @param event - the event
   */
  of(event: TraceEvent): Thread;
  /** The thread of a number, if it is known. */
  find(tid: number): Thread | undefined;
  /**
   * A new thread by fork, vfork or clone, as the parent's call tells.
   * @param parent - the parent
   * @param tid - the child's number
   */
  fork(parent: Thread, tid: number): void;
  /** A new address space for a thread, by execve. */
  exec(thread: Thread): void;
  /** A thread's end. */
  exit(thread: Thread): void;
  /** Those that have not ended. */
  alive(): Iterable<Thread>;
}

/**
 * Makes the threads of a replay.
 * @param tasks - the kernel's tasks
 * @param spaces - the kernel's address spaces
 * @param lost - tells how many events perf has lost so far
 * @param onExit - told of a thread that ends, be it that its number is used again
 */
export function createThreads(
  tasks: Tasks,
  spaces: AddressSpaces,
  lost: () => number,
  onExit: (thread: Thread) => void,
): Threads {
  const threads = new Map<number, Thread>();
  let last: Thread | undefined;

  function add(tid: number, pid: number, mm: Mm, program: Program): Thread {
    const flags = tid === pid ? 0 : CloneFlag.THREAD;
    const stale = threads.get(tid);
    if (stale !== undefined) exit(stale);
    const thread: Thread = {
      tid,
      pid,
      task: tasks.create(mm, flags),
      program,
      syscall: -1,
      argHigh: new Int32Array(6),
      argLow: new Int32Array(6),
      execSwitched: false,
      exitRecord: undefined,
    };
    threads.set(tid, thread);
    made.threads++;
    if (tid === pid) made.processes++;
    return thread;
  }

  /**
   * A thread never heard of. If it is in execve by its first event (perf begins there), its address space is the one that execve is
   * building: nothing of that lies before the trace.
   */
  function meet(event: TraceEvent): Thread {
    const inExec = event.kind === EventKind.sched_process_exec || isKernelWrite(event);
    const pid = event.pid < 0 ? event.tid : event.pid;
    if (event.pid < 0) made.strangers++;
    const leader = pid === event.tid ? undefined : threads.get(pid);
    const shared = leader?.task.mm;
    if (leader !== undefined && shared !== undefined) {
      spaces.get(shared);
      leader.program.threaded = true;
      return add(event.tid, pid, shared, leader.program);
    }
    const thread = add(event.tid, pid, spaces.create(), newProgram(lost(), !inExec));
    thread.execSwitched = inExec;
    return thread;
  }

  function exit(thread: Thread): void {
    onExit(thread);
    threads.delete(thread.tid);
    if (last === thread) last = undefined;
    tasks.exit(thread.task);
  }

  /**
   * What the child shares. The struct that clone3 takes is not in a trace: the C library makes threads and `posix_spawn`
   * children with it, both of which share the address space.
   */
  function shares({ syscall, argLow }: Thread): { readonly mm: boolean; readonly process: boolean } {
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

  // Plain fields: an object literal with accessors is slow to use.
  const made: { -readonly [F in keyof Threads]: Threads[F] } = {
    processes: 0,
    threads: 0,
    strangers: 0,
    of(event) {
      if (last?.tid === event.tid) return last;
      last = threads.get(event.tid) ?? meet(event);
      // Some traces have the process's number beside the thread's: then clone3 hides less.
      if (event.pid >= 0 && last.pid !== event.pid) {
        last.pid = event.pid;
        if (last.tid === last.pid) made.processes++;
      }
      return last;
    },
    find: (tid) => threads.get(tid),
    fork(parent, tid) {
      const { mm, process } = shares(parent);
      const parentMm = parent.task.mm!;
      if (mm) spaces.get(parentMm);
      const program = mm ? parent.program : copyProgram(parent.program);
      add(tid, process ? parent.pid : tid, mm ? parentMm : spaces.fork(parentMm), program);
      if (process) program.threaded = true;
      if (parent.syscall === EventKind.sys_enter_clone3) program.calledClone3 = true;
    },
    exec(thread) {
      tasks.exec(thread.task, spaces.create());
      if (thread.pid !== thread.tid) made.processes++;
      thread.pid = thread.tid;
      thread.program = newProgram(lost());
    },
    exit,
    alive: () => threads.values(),
  };
  return made;
}

/** Whether an event is a fault of the kernel that writes for the user. */
function isKernelWrite({ kind, argLow }: TraceEvent): boolean {
  return kind === EventKind.page_fault_kernel && (argLow[2]! & 2) !== 0;
}
