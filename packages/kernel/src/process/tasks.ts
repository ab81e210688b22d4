import { KpkeysError } from "@kpkeys/core";
import type {
  AddressSpaces,
  Cpu,
  Cpus,
  ExtensionPoints,
  Mm,
  Observer,
  PageTableFormat,
  Task,
  Tasks,
} from "@kpkeys/core/contracts";
import { runOn } from "../cpus.js";
import type { TaskCreds } from "../cred/cred.js";
import type { CredLife } from "../cred/task-creds.js";
import type { KernelLazyMmu, LazyMmuState } from "../mm/lazy-mmu.js";
import { newLazyMmuState } from "../mm/lazy-mmu.js";
import type { Asids } from "./asids.js";
import { KernelMm } from "./mm.js";

/** A thread as the kernel keeps it. */
class KernelTask implements Task, TaskCreds {
  readonly tid: number;
  mm: Mm | undefined;
  pkeyRegisterHigh: number;
  pkeyRegisterLow: number;
  cred = 0;
  realCred = 0;
  readonly lazyMmu: LazyMmuState = newLazyMmuState();
  /** Whether it has ended. */
  ended = false;

  constructor(tid: number, mm: Mm | undefined, pkeyRegisterHigh: number, pkeyRegisterLow: number) {
    this.tid = tid;
    this.mm = mm;
    this.pkeyRegisterHigh = pkeyRegisterHigh;
    this.pkeyRegisterLow = pkeyRegisterLow;
  }

  /** The kernel's own object behind a contract's handle. */
  static of(task: Task): KernelTask {
    if (task instanceof KernelTask) return task;
    throw new KpkeysError("ERR_API_MISUSE", "a task that this kernel did not make", { where: `task ${task.tid}` });
  }
}

/** {@link Tasks} with what only the kernel and the reports need. */
export interface KernelTasks extends Tasks {
  /** The current task, with credentials that can be changed. */
  readonly currentCreds: TaskCreds;
  /** Context switches so far. */
  readonly switches: number;
  /** Barriers that synchronised the next task's key register. */
  readonly barriers: number;
  /** Whether a CPU runs its idle task. @param cpu - number of the CPU */
  isIdle(cpu: number): boolean;
  /**
   * Makes a task that was interrupted the current one again: on the CPU that it runs on, or else on the current CPU.
   * @param task - the task
   */
  backTo(task: Task): void;
  /**
   * Switches a CPU to its idle task.
   * @param cpu - number of the CPU
   */
  idle(cpu: number): void;
  /**
   * Changes the key registers saved in all tasks.
   * @param inHigh - gives bits 63 to 32 from those before
   * @param inLow - gives bits 31 to 0
   */
  mapSavedRegisters(inHigh: (high: number) => number, inLow: (low: number) => number): void;
}

/** How the register goes with the tasks, and what else does. */
export interface TaskParts {
  /** Their credentials. */
  readonly creds: CredLife;
  /** The ASIDs of address spaces that CPUs switch to. */
  readonly asids: Asids;
  /** Told of every switch that has been made: RCU. */
  readonly switched: () => void;
  /** Whether a switch saves the live register and loads the next task's. */
  readonly switchPkeyRegister: boolean;
  /** Whether a write of the register needs a barrier. */
  readonly needsBarrier: boolean;
}

/**
 * Makes the tasks; each CPU starts with an idle task of its own, which has no address space.
 * @param cpus - the CPUs
 * @param kernelRoot - page-frame number of `init_mm`'s top-level table
 * @param format - whether roots are split
 * @param spaces - address spaces, which tasks use
 * @param lazy - lazy MMU mode, whose state is per task
 * @param extensions - the features told of switches
 * @param observer - told of them too, if there is one
 * @param parts - what goes with the tasks, and how the key register does
 */
export function createTasks(
  cpus: Cpus,
  kernelRoot: number,
  format: PageTableFormat,
  spaces: AddressSpaces,
  lazy: KernelLazyMmu,
  extensions: ExtensionPoints,
  observer: Observer | undefined,
  { creds, asids, switched, switchPkeyRegister, needsBarrier }: TaskParts,
): KernelTasks {
  const onSwitch = extensions.handlers("contextSwitch");
  const alive = new Map<number, KernelTask>();
  let made = 0;

  /** `copy_thread`: the live register goes along, whatever context it stands for. */
  function newTask(mm: Mm | undefined): KernelTask {
    const { pkeyRegisterHigh, pkeyRegisterLow } = cpus.current;
    return new KernelTask(made++, mm, pkeyRegisterHigh, pkeyRegisterLow);
  }

  /** The idle task of each CPU; its number is the CPU's. */
  const idle = cpus.all.map(() => {
    const task = newTask(undefined);
    creds.boot(task);
    alive.set(task.tid, task);
    return task;
  });
  const running = [...idle];
  /** The address space that each CPU's user root belongs to: a kernel thread borrows the one before it. */
  const active: (Mm | undefined)[] = cpus.all.map(() => undefined);
  idle.forEach(({ lazyMmu }, cpu) => {
    lazy.load(cpu, lazyMmu);
  });

  function loadMm(cpu: Cpu, mm: Mm | undefined): void {
    if (active[cpu.id] === mm) return;
    active[cpu.id] = mm;
    if (mm !== undefined) asids.switchTo(cpu, KernelMm.of(mm));
    else cpu.mmu.setUserRoot(format.geometry.splitRoots ? -1 : kernelRoot, 0);
  }

  /** No CPU may keep the root of an address space that is about to go. */
  function put(mm: Mm): void {
    if (mm.users === 1) {
      for (const cpu of cpus.all) if (active[cpu.id] === mm) loadMm(cpu, undefined);
    }
    spaces.put(mm);
  }

  /** Switches a CPU to its idle task; the current CPU stays the same. */
  function goIdle(cpu: Cpu): void {
    const here = cpus.current;
    runOn(cpus, cpu);
    switchTo(idle[cpu.id]!);
    runOn(cpus, here);
  }

  /** A task that moves here from another CPU, or ends, is no longer the one that runs there. */
  function leaveCpus(task: KernelTask, except?: Cpu): void {
    for (const cpu of cpus.all) if (cpu !== except && running[cpu.id] === task) goIdle(cpu);
  }

  function checkSwitch(previous: KernelTask, next: KernelTask, cpu: Cpu): void {
    const home = next.tid < idle.length ? next.tid : cpu.id;
    if (!lazy.inInterrupt() && home === cpu.id && !next.ended) return;
    const what = lazy.inInterrupt()
      ? `task ${previous.tid} is switched away in interrupt`
      : home !== cpu.id
        ? `the idle task of CPU ${home} moves`
        : `task ${next.tid} has ended`;
    throw new KpkeysError("ERR_API_MISUSE", what, {
      where: `switch to task ${next.tid} on CPU ${cpu.id}`,
      expected: "a task alive, in task context",
    });
  }

  function switchTo(next: KernelTask): void {
    const cpu = cpus.current;
    const previous = running[cpu.id]!;
    if (previous === next) return;
    checkSwitch(previous, next, cpu);
    if (cpus.all.length > 1) leaveCpus(next, cpu);
    tasks.switches++;
    for (let i = 0; i < onSwitch.length; i++) onSwitch[i]!(previous.tid, next.tid);
    if (switchPkeyRegister) switchRegister(cpu, previous, next);
    if (next.mm !== undefined) loadMm(cpu, next.mm);
    running[cpu.id] = next;
    lazy.load(cpu.id, next.lazyMmu);
    observer?.taskSwitch?.(cpu.id, previous.tid, next.tid);
    switched();
  }

  function switchRegister(cpu: Cpu, previous: KernelTask, next: KernelTask): void {
    previous.pkeyRegisterHigh = cpu.pkeyRegisterHigh;
    previous.pkeyRegisterLow = cpu.pkeyRegisterLow;
    if (next.pkeyRegisterHigh === cpu.pkeyRegisterHigh && next.pkeyRegisterLow === cpu.pkeyRegisterLow) return;
    cpu.writePkeyRegister(next.pkeyRegisterHigh, next.pkeyRegisterLow);
    cpu.synchronise();
    if (needsBarrier) tasks.barriers++;
  }

  const tasks: { -readonly [F in Exclude<keyof KernelTasks, "current" | "currentCreds">]: KernelTasks[F] } = {
    all: { [Symbol.iterator]: () => alive.values() },
    switches: 0,
    barriers: 0,
    create(mm, flags = 0) {
      const task = newTask(mm);
      creds.copy(running[cpus.current.id]!, task, flags);
      alive.set(task.tid, task);
      return task;
    },
    exec(handle, mm) {
      const task = KernelTask.of(handle);
      creds.exec(task);
      const old = task.mm;
      task.mm = mm;
      if (running[cpus.current.id] === task) loadMm(cpus.current, mm);
      if (old !== undefined) put(old);
    },
    exit(handle) {
      const task = KernelTask.of(handle);
      if (task.tid < idle.length) {
        throw new KpkeysError("ERR_API_MISUSE", `task ${task.tid} is an idle task`, {
          where: "exit",
          expected: "another one",
        });
      }
      leaveCpus(task);
      alive.delete(task.tid);
      task.ended = true;
      const { mm } = task;
      task.mm = undefined;
      if (mm !== undefined) put(mm);
      creds.exit(task);
    },
    switchTo(next) {
      switchTo(KernelTask.of(next));
    },
    backTo(handle) {
      const task = KernelTask.of(handle);
      const on = running.indexOf(task);
      if (on >= 0) runOn(cpus, cpus.all[on]!);
      else {
        runOn(cpus, cpus.all[task.tid] ?? cpus.current);
        switchTo(task);
      }
    },
    isIdle: (cpu) => running[cpu] === idle[cpu],
    idle(cpu) {
      goIdle(cpus.all[cpu]!);
    },
    mapSavedRegisters(inHigh, inLow) {
      for (const task of alive.values()) {
        task.pkeyRegisterHigh = inHigh(task.pkeyRegisterHigh);
        task.pkeyRegisterLow = inLow(task.pkeyRegisterLow);
      }
    },
  };
  // Added when the rest is there: V8 keeps an object with an accessor in its literal as a hash table.
  const current = { get: () => running[cpus.current.id]! };
  return Object.defineProperties(tasks, { current, currentCreds: current }) as KernelTasks;
}
