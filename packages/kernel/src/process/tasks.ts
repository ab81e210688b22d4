import { KpkeysError } from "@kpkeys/core";
import type {
  AddressSpaces,
  Cpu,
  Cpus,
  ExtensionPoints,
  Mm,
  PageTableFormat,
  Task,
  Tasks,
} from "@kpkeys/core/contracts";
import type { KernelLazyMmu, LazyMmuState } from "../mm/lazy-mmu.js";
import { newLazyMmuState } from "../mm/lazy-mmu.js";
import { KernelMm } from "./mm.js";

/** A thread as the kernel keeps it. */
class KernelTask implements Task {
  readonly tid: number;
  mm: Mm | undefined;
  pkeyRegisterHigh: number;
  pkeyRegisterLow: number;
  readonly lazyMmu: LazyMmuState = newLazyMmuState();

  constructor(tid: number, mm: Mm | undefined, pkeyRegisterHigh: number, pkeyRegisterLow: number) {
    this.tid = tid;
    this.mm = mm;
    this.pkeyRegisterHigh = pkeyRegisterHigh;
    this.pkeyRegisterLow = pkeyRegisterLow;
  }

  /** The kernel's own object behind a contract's handle. */
  static of(task: Task): KernelTask {
    if (task instanceof KernelTask) return task;
    throw new KpkeysError("ERR_USAGE", "a task that this kernel did not make", { where: `task ${task.tid}` });
  }
}

/** {@link Tasks} with what only the kernel and the reports need. */
export interface KernelTasks extends Tasks {
  /** Context switches so far. */
  readonly switches: number;
}

/**
 * Makes the tasks; each CPU starts with an idle task of its own, which has no address space.
 * @param cpus - the CPUs
 * @param kernelRoot - page-frame number of `init_mm`'s top-level table
 * @param format - whether roots are split
 * @param spaces - address spaces, which tasks use
 * @param lazy - lazy MMU mode, whose state is per task
 * @param extensions - the features told of switches
 */
export function createTasks(
  cpus: Cpus,
  kernelRoot: number,
  format: PageTableFormat,
  spaces: AddressSpaces,
  lazy: KernelLazyMmu,
  extensions: ExtensionPoints,
): KernelTasks {
  const onSwitch = extensions.handlers("contextSwitch");
  const alive = new Map<number, KernelTask>();
  let made = 0;
  let switches = 0;

  function newTask(mm: Mm | undefined, cpu: Cpu): KernelTask {
    const task = new KernelTask(made++, mm, cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow);
    alive.set(task.tid, task);
    return task;
  }

  const idle = cpus.all.map((cpu) => newTask(undefined, cpu));
  const running = [...idle];
  /** The address space that each CPU's user root belongs to: a kernel thread borrows the one before it. */
  const active: (Mm | undefined)[] = cpus.all.map(() => undefined);
  lazy.load(idle[0]!.lazyMmu);

  function loadMm(cpu: Cpu, mm: Mm | undefined): void {
    if (active[cpu.id] === mm) return;
    active[cpu.id] = mm;
    if (mm !== undefined) cpu.mmu.setUserRoot(mm.root, KernelMm.of(mm).asid);
    else cpu.mmu.setUserRoot(format.geometry.splitRoots ? -1 : kernelRoot, 0);
  }

  /** No CPU may keep the root of an address space that is about to go. */
  function put(mm: Mm): void {
    if (mm.users === 1) {
      for (const cpu of cpus.all) if (active[cpu.id] === mm) loadMm(cpu, undefined);
    }
    spaces.put(mm);
  }

  /** A task that moves here from another CPU is no longer the one that runs there. */
  function leaveOtherCpus(next: KernelTask): void {
    const here = cpus.current;
    for (const cpu of cpus.all) {
      if (cpu === here || running[cpu.id] !== next || next === idle[cpu.id]) continue;
      cpus.current = cpu;
      switchTo(idle[cpu.id]!);
    }
    cpus.current = here;
  }

  function switchTo(next: KernelTask): void {
    if (cpus.all.length > 1) leaveOtherCpus(next);
    const cpu = cpus.current;
    const previous = running[cpu.id]!;
    if (previous === next) return;
    switches++;
    for (let i = 0; i < onSwitch.length; i++) onSwitch[i]!(previous.tid, next.tid);
    previous.pkeyRegisterHigh = cpu.pkeyRegisterHigh;
    previous.pkeyRegisterLow = cpu.pkeyRegisterLow;
    if (next.pkeyRegisterHigh !== cpu.pkeyRegisterHigh || next.pkeyRegisterLow !== cpu.pkeyRegisterLow) {
      cpu.writePkeyRegister(next.pkeyRegisterHigh, next.pkeyRegisterLow);
      cpu.synchronise();
    }
    if (next.mm !== undefined) loadMm(cpu, next.mm);
    running[cpu.id] = next;
    lazy.load(next.lazyMmu);
  }

  return {
    get current() {
      return running[cpus.current.id]!;
    },
    get all() {
      return alive.values();
    },
    get switches() {
      return switches;
    },
    create: (mm) => newTask(mm, cpus.current),
    exec(handle, mm) {
      const task = KernelTask.of(handle);
      const old = task.mm;
      task.mm = mm;
      if (running[cpus.current.id] === task) loadMm(cpus.current, mm);
      if (old !== undefined) put(old);
    },
    exit(handle) {
      const task = KernelTask.of(handle);
      if (running[cpus.current.id] === task) switchTo(idle[cpus.current.id]!);
      alive.delete(task.tid);
      const { mm } = task;
      task.mm = undefined;
      if (mm !== undefined) put(mm);
    },
    switchTo(next) {
      switchTo(KernelTask.of(next));
    },
  };
}
