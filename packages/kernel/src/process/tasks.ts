import { inject, injectable, KpkeysError, pkeyValueOf, updatePkeyValue } from "@kpkeys/core";
import { AddressSpaces, Cpus, ExtensionPoints, LazyMmu, Observers, PkeyRegister, Rcu } from "@kpkeys/core/contracts";
import type { Cpu, ExtensionHandlers, Mm, PkeyValue, Task, Tasks } from "@kpkeys/core/contracts";
import { runOn } from "../machine/cpus.js";
import { outOfMemory } from "../machine/errors.js";
import { CredLife } from "./task-creds.js";
import type { KernelLazyMmu } from "../mm/lazy-mmu.js";
import { Policies } from "../machine/tokens.js";
import type { KernelPolicies } from "../machine/policies.js";
import type { KernelRcu } from "./rcu.js";
import { ActiveMm } from "./active-mm.js";
import { KernelTask } from "./task.js";
import { TaskLife } from "./task-life.js";

/** Tasks and the context switch. Each CPU starts with its idle task, which has no address space. */
@injectable()
export class KernelTasks implements Tasks {
  private readonly alive = new Map<number, KernelTask>();
  readonly all: Iterable<Task> = { [Symbol.iterator]: () => this.alive.values() };
  /** Context switches so far. */
  switches = 0;
  /** Barriers after writes of the next task's key register. */
  barriers = 0;
  /** Number of tasks created so far. */
  private made = 0;
  /** The idle task of each CPU. Its tid is the number of the CPU. */
  private readonly idleTasks: readonly KernelTask[];
  /** The current task of each CPU. */
  private readonly running: KernelTask[];
  private readonly onSwitch: readonly ExtensionHandlers["contextSwitch"][];
  /** Whether a context switch saves and restores the key register. */
  private readonly switchesRegister: boolean;
  /** Whether a write of the key register needs a barrier. */
  private readonly needsBarrier: boolean;

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(AddressSpaces) private readonly spaces: AddressSpaces,
    @inject(ActiveMm) private readonly activeMm: ActiveMm,
    @inject(CredLife) private readonly creds: CredLife,
    @inject(TaskLife) private readonly life: TaskLife,
    @inject(LazyMmu) private readonly lazy: KernelLazyMmu,
    @inject(Rcu) private readonly rcu: KernelRcu,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
    @inject(PkeyRegister) register: PkeyRegister,
    @inject(Policies) policies: Required<KernelPolicies>,
    @inject(Observers) private readonly observers: Observers,
  ) {
    this.onSwitch = extensions.handlers("contextSwitch");
    this.switchesRegister = policies.switchPkeyRegister;
    this.needsBarrier = register.synchronisation === "barrier";
    this.idleTasks = cpus.all.map(() => this.newIdleTask());
    this.running = [...this.idleTasks];
    for (const { tid, lazyMmu } of this.idleTasks) lazy.load(tid, lazyMmu);
  }

  get current(): Task {
    return this.currentCreds;
  }

  /** The current task with its credential pointers. */
  get currentCreds(): KernelTask {
    return this.running[this.cpus.current.id]!;
  }

  create(mm: Mm | undefined, flags = 0): Task {
    const parent = this.currentCreds;
    const task = this.newTask(mm);
    this.creds.copy(parent, task, flags);
    if (!this.life.created(task.tid, parent.tid)) {
      this.creds.exit(task);
      throw outOfMemory("the memory of a feature for a thread");
    }
    this.alive.set(task.tid, task);
    return task;
  }

  exec(handle: Task, mm: Mm): void {
    const task = KernelTask.of(handle);
    this.creds.exec(task);
    const old = task.mm;
    task.mm = mm;
    if (this.currentCreds === task) this.activeMm.switchTo(this.cpus.current, mm);
    if (old !== undefined) this.put(old);
    this.life.exec(task.tid);
  }

  exit(handle: Task): void {
    const task = KernelTask.of(handle);
    if (task.tid < this.idleTasks.length) {
      throw new KpkeysError("ERR_API_MISUSE", `cannot exit task ${task.tid}: it is an idle task`, {
        where: "exit",
        expected: "another task",
      });
    }
    this.leaveCpus(task);
    this.alive.delete(task.tid);
    task.ended = true;
    const { mm } = task;
    task.mm = undefined;
    if (mm !== undefined) this.put(mm);
    this.creds.exit(task);
    this.life.exited(task.tid);
  }

  switchTo(handle: Task): void {
    const next = KernelTask.of(handle);
    const cpu = this.cpus.current;
    const previous = this.running[cpu.id]!;
    if (previous === next) return;
    this.checkSwitch(previous, next, cpu);
    if (this.cpus.all.length > 1) this.leaveCpus(next, cpu);
    this.switches++;
    for (let i = 0; i < this.onSwitch.length; i++) this.onSwitch[i]!(previous.tid, next.tid);
    if (this.switchesRegister) this.switchRegister(cpu, previous, next);
    if (next.mm !== undefined) this.activeMm.switchTo(cpu, next.mm);
    this.running[cpu.id] = next;
    this.lazy.load(cpu.id, next.lazyMmu);
    this.observers.current?.taskSwitch?.(cpu.id, previous.tid, next.tid);
    this.rcu.noteContextSwitch();
  }

  /**
   * Returns to an interrupted task: on the CPU that runs it, else on the CPU of an idle task, else on the current CPU.
   * @param handle - the task
   */
  returnTo(handle: Task): void {
    const task = KernelTask.of(handle);
    const on = this.running.indexOf(task);
    if (on >= 0) runOn(this.cpus, this.cpus.all[on]!);
    else {
      runOn(this.cpus, this.cpus.all[task.tid] ?? this.cpus.current);
      this.switchTo(task);
    }
  }

  /** Whether a CPU is in its idle task. @param cpu - number of the CPU */
  isIdle(cpu: number): boolean {
    return this.running[cpu] === this.idleTasks[cpu];
  }

  /** Switches a CPU to its idle task. Does not change the current CPU. @param cpu - number of the CPU */
  switchToIdle(cpu: number): void {
    const current = this.cpus.current;
    runOn(this.cpus, this.cpus.all[cpu]!);
    this.switchTo(this.idleTasks[cpu]!);
    runOn(this.cpus, current);
  }

  /**
   * Changes the saved key registers of all tasks.
   * @param change - maps the old value to the new one
   */
  mapSavedRegisters(change: (value: PkeyValue) => PkeyValue): void {
    for (const task of this.alive.values()) {
      const { high, low, fetch } = change(pkeyValueOf(task));
      task.pkeyRegisterHigh = high;
      task.pkeyRegisterLow = low;
      task.fetchRegister = fetch;
    }
  }

  /** `copy_thread`: copies the live key register, in any context. */
  private newTask(mm: Mm | undefined): KernelTask {
    const { pkeyRegisterHigh, pkeyRegisterLow, fetchRegister } = this.cpus.current;
    return new KernelTask(this.made++, mm, pkeyRegisterHigh, pkeyRegisterLow, fetchRegister);
  }

  private newIdleTask(): KernelTask {
    const task = this.newTask(undefined);
    this.creds.boot(task);
    this.alive.set(task.tid, task);
    return task;
  }

  /** `mmput`. No CPU may keep the root of an address space that is torn down. */
  private put(mm: Mm): void {
    if (mm.users === 1) this.activeMm.leave(mm);
    this.spaces.put(mm);
  }

  /** Switches the CPUs that run a task to their idle task, because the task migrates or exits. */
  private leaveCpus(task: KernelTask, except?: Cpu): void {
    for (const cpu of this.cpus.all) if (cpu !== except && this.running[cpu.id] === task) this.switchToIdle(cpu.id);
  }

  /** @throws KpkeysError ERR_API_MISUSE in interrupt, for the idle task of another CPU, and for an exited task */
  private checkSwitch(previous: KernelTask, next: KernelTask, cpu: Cpu): void {
    const home = next.tid < this.idleTasks.length ? next.tid : cpu.id;
    const inInterrupt = this.lazy.inInterrupt();
    if (!inInterrupt && home === cpu.id && !next.ended) return;
    const what = inInterrupt
      ? `cannot switch from task ${previous.tid} in interrupt`
      : home !== cpu.id
        ? `cannot migrate the idle task of CPU ${home}`
        : `task ${next.tid} has exited`;
    throw new KpkeysError("ERR_API_MISUSE", what, {
      where: `switch to task ${next.tid} on CPU ${cpu.id}`,
      expected: "a live task, in task context",
    });
  }

  private switchRegister(cpu: Cpu, previous: KernelTask, next: KernelTask): void {
    previous.pkeyRegisterHigh = cpu.pkeyRegisterHigh;
    previous.pkeyRegisterLow = cpu.pkeyRegisterLow;
    previous.fetchRegister = cpu.fetchRegister;
    if (updatePkeyValue(cpu, pkeyValueOf(next)) === 0) return;
    cpu.synchronise();
    if (this.needsBarrier) this.barriers++;
  }
}
