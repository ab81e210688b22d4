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

/** Turns each event of a trace into the operation of the model kernel that it records. */
export class Operations {
  /** The threads alive. */
  readonly threads: Threads;
  /** What came of page faults. */
  readonly faults: UserFaults;
  /** What came of system calls. */
  readonly syscalls: Syscalls;
  /** What processes had at their exits. */
  readonly exits: ExitRecords;
  /** Bytes of a page. */
  readonly pageBytes: number;
  /** Events that perf has lost so far. */
  lost = 0;
  /** The line of the event replayed last. */
  line = 0;
  private readonly tasks: Tasks;
  private readonly cpus: Cpus;
  /** The idle task of each CPU. */
  private readonly idle: readonly Task[];
  private readonly beforeExit: (thread: Thread) => void;

  /**
   * @param machine - a booted machine
   * @param beforeExit - called with a thread that calls exit_group
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

  /** The recording may end between a process's exit_group and its exit. */
  finish(): void {
    for (const thread of this.threads.alive()) this.keepExit(thread, false);
  }

  /** execve by a thread other than the first ends the first one and takes its number (de_thread). */
  private exec(thread: Thread, event: TraceEvent): void {
    const former = this.threads.find(argUnsigned(event, 1));
    if (former !== undefined && former !== thread) this.threads.exit(former);
    if (!thread.execSwitched) this.threads.exec(thread);
    thread.execSwitched = false;
  }

  /**
   * execve fills the new address space before its event: the kernel clears the bss and writes the arguments there, while what it
   * reads (file name, arguments) is still in the old one.
   */
  private kernelFault(thread: Thread, event: TraceEvent): void {
    const write = (event.argLow[2]! & 2) !== 0;
    if (write) this.enterExeced(thread);
    this.faults.replay(thread.task.mm!, thread.program, event, Privilege.UACCESS);
  }

  /** In execve a sample of what the old address space does not map is a write into the new one. */
  private sampledFault(thread: Thread, event: TraceEvent): void {
    if (!this.faults.isMapped(thread.task.mm!, event)) this.enterExeced(thread);
    this.faults.replaySample(thread.task.mm!, thread.program, event);
  }

  /** Goes on in the address space that the execve builds in which a thread is, if it is in one. */
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
  const here = cpus.current;
  const idle = cpus.all.map((cpu) => {
    if (cpu !== here) cpus.current = cpu;
    return tasks.current;
  });
  if (cpus.current !== here) cpus.current = here;
  return idle;
}

/** Whether a system call's kind is that of its entry: entries are even, each exit follows its entry. */
function isEnter(kind: EventKind): boolean {
  return kind <= sys_enter_exit_group && kind % 2 === 0;
}
