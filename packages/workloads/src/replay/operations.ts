import { AddressSpaces, PageTableFormat, PgtableArch, Privilege, Tasks } from "@kpkeys/core/contracts";
import type { Cpus, Task } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { argUnsigned, EventKind } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";
import { ExitRecords } from "./exit-records.js";
import { PageMath } from "./page-math.js";
import { Syscalls } from "./syscalls.js";
import { Threads } from "./threads.js";
import type { Thread } from "./threads.js";
import { UserAreas } from "./user-areas.js";
import { UserFaults } from "./user-faults.js";

// Local copies: docs/performance.md, "Imported bindings".
const {
  sys_enter_execve,
  sched_switch,
  sched_process_exit,
  page_fault_user,
  page_fault_kernel,
  page_fault,
  sched_process_fork,
  sched_process_exec,
  sys_enter_exit_group,
} = EventKind;

/** Replays each event of a trace as an operation of the model kernel. */
export class Operations {
  /** The live threads. */
  readonly threads: Threads;
  /** The page faults. */
  readonly faults: UserFaults;
  /** The system calls. */
  readonly syscalls: Syscalls;
  /** The processes at their exit. */
  readonly exits: ExitRecords;
  /** Bytes of a page. */
  readonly pageBytes: number;
  /** Number of events that perf has lost so far. */
  lost = 0;
  /** Line of the last replayed event. */
  line = 0;
  private readonly tasks: Tasks;
  private readonly cpus: Cpus;
  /** The idle task of each CPU. */
  private readonly idle: readonly Task[];
  private readonly beforeExit: (thread: Thread) => void;

  /**
   * @param machine - a booted machine
   * @param beforeExit - called when a thread calls exit_group
   */
  constructor(machine: Machine, beforeExit: (thread: Thread) => void) {
    const { geometry } = machine.get(PageTableFormat);
    const { userLayout, layout } = machine.get(PgtableArch);
    const pages = new PageMath(geometry.pageShift);
    const spaces = machine.get(AddressSpaces);
    const userEnd = Number(layout.userEnd >> BigInt(geometry.pageShift));
    this.pageBytes = pages.bytes;
    this.exits = new ExitRecords({ pageBytes: pages.bytes, tablePages: 2 ** geometry.levels.at(-1)!.indexBits });
    this.faults = new UserFaults(spaces, pages, new UserAreas(userLayout, geometry.pageShift), userEnd);
    this.syscalls = new Syscalls(spaces, pages);
    this.tasks = machine.get(Tasks);
    this.cpus = machine.cpus;
    this.idle = idleTasks(this.cpus, this.tasks);
    this.beforeExit = beforeExit;
    this.threads = new Threads(
      this.tasks,
      spaces,
      () => this.lost,
      (thread) => {
        this.keepExit(thread, false);
      },
    );
  }

  /**
   * Replays an event.
   * @param event - the event
   */
  replay(event: TraceEvent): void {
    this.line = event.line;
    const cpus = this.cpus;
    if (cpus.all.length > 1) cpus.current = cpus.all[Math.max(0, event.cpu) % cpus.all.length]!;
    if (event.kind === sched_switch) {
      const next = this.threads.find(argUnsigned(event, 2));
      this.tasks.switchTo(next?.task ?? this.idle[cpus.current.id]!);
      return;
    }
    if (event.kind === sched_process_exit) {
      this.exit(argUnsigned(event, 0), event.argLow[1] === 1);
      return;
    }
    const thread = this.threads.of(event);
    this.tasks.switchTo(thread.task);
    switch (event.kind) {
      case page_fault_user:
        this.faults.replay(thread.task.mm!, thread.program, event, Privilege.USER);
        return;
      case page_fault_kernel:
        this.kernelFault(thread, event);
        return;
      case page_fault:
        this.sampledFault(thread, event);
        return;
      case sched_process_fork:
        this.threads.fork(thread, argUnsigned(event, 1));
        return;
      case sched_process_exec:
        this.exec(thread, event);
        return;
      case sys_enter_exit_group:
        this.beforeExit(thread);
        return;
    }
    if (isEnter(event.kind)) this.syscalls.enter(thread, event);
    else this.syscalls.leave(thread, event);
  }

  /** Ends the replay. The recording may end between a process's exit_group and its exit. */
  finish(): void {
    for (const thread of this.threads.alive()) this.keepExit(thread, false);
  }

  /** A thread that is not the leader and calls execve replaces the leader and gets its tid (de_thread of fs/exec.c). */
  private exec(thread: Thread, event: TraceEvent): void {
    const former = this.threads.find(argUnsigned(event, 1));
    if (former !== undefined && former !== thread) this.threads.exit(former);
    if (!thread.execSwitched) this.threads.exec(thread);
    thread.execSwitched = false;
  }

  /**
   * execve fills the new address space before its event: the kernel clears the bss and writes the arguments there. It reads the file name
   * and the arguments from the old address space.
   */
  private kernelFault(thread: Thread, event: TraceEvent): void {
    const write = (event.argLow[2]! & 2) !== 0;
    if (write) this.enterExeced(thread);
    this.faults.replay(thread.task.mm!, thread.program, event, Privilege.UACCESS);
  }

  /** During execve, a sampled fault outside the mappings of the old address space is a write to the new one. */
  private sampledFault(thread: Thread, event: TraceEvent): void {
    if (!this.faults.isMapped(thread.task.mm!, event)) this.enterExeced(thread);
    this.faults.replaySample(thread.task.mm!, thread.program, event);
  }

  /** Switches a thread that is in execve to the new address space. */
  private enterExeced(thread: Thread): void {
    if (thread.syscall !== sys_enter_execve || thread.execSwitched) return;
    this.threads.exec(thread);
    thread.execSwitched = true;
  }

  private exit(tid: number, groupDead: boolean): void {
    const thread = this.threads.find(tid);
    if (thread === undefined) return;
    this.keepExit(thread, groupDead);
    this.threads.exit(thread);
  }

  private keepExit(thread: Thread, groupDead: boolean): void {
    if (thread.exitRecord === undefined) return;
    this.exits.keep(thread, this.threads.find(thread.pid) !== undefined, groupDead);
  }
}

function idleTasks(cpus: Cpus, tasks: Tasks): Task[] {
  const { current } = cpus;
  const idle = cpus.all.map((cpu) => {
    if (cpu !== current) cpus.current = cpu;
    return tasks.current;
  });
  if (cpus.current !== current) cpus.current = current;
  return idle;
}

/** Whether the kind of a system call's event is an entry: entries are even, exits are odd. */
function isEnter(kind: EventKind): boolean {
  return kind <= sys_enter_exit_group && kind % 2 === 0;
}
