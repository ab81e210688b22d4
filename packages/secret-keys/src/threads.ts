import { KpkeysError, lazily } from "@kpkeys/core";
import { Cpus, Errno, KernelMemory, KernelRandom, Tasks, toPhysAddr } from "@kpkeys/core/contracts";
import type { DependencyContainer, Guard, Kpkeys, PhysAddr, Pkey } from "@kpkeys/core/contracts";
import type { ThreadSecrets } from "./contract.js";
import { SecretRegisters } from "./key-registers.js";
import { ALL_KEYS, SECRETS } from "./layout.js";
import { SecretSlots } from "./slots.js";

/**
 * Keeps the keys of each thread in a slot that DEFAULT cannot read, from its creation to its end. In Linux they are in `thread_struct`.
 *
 * ```text
 *   SECRETS_WRITE   creation, exec, prctl(PR_PAC_RESET_KEYS), exit
 *   SECRETS_READ    context switch, cpu_resume
 *   DEFAULT         no access
 * ```
 */
export class SlotSecrets implements ThreadSecrets {
  private readonly cpus: () => Cpus;
  private readonly tasks: () => Tasks;
  private readonly memory: () => KernelMemory;
  private readonly random: () => KernelRandom;
  private readonly reader: Guard;
  private readonly writer: Guard;
  private readonly slots: SecretSlots;
  private readonly registers: SecretRegisters;
  private readonly byTask = new Map<number, PhysAddr>();
  /** Whether pages can have a key, so that tasks have slots. */
  private started = false;

  /**
   * @param container - the machine's container
   * @param kpkeys - its kpkeys API
   * @param pkey - the key SECRETS
   */
  constructor(container: DependencyContainer, kpkeys: Kpkeys, pkey: Pkey) {
    this.cpus = lazily(container, Cpus);
    this.tasks = lazily(container, Tasks);
    this.memory = lazily(container, KernelMemory);
    this.random = lazily(container, KernelRandom);
    this.reader = kpkeys.guard("SECRETS_READ");
    this.writer = kpkeys.guard("SECRETS_WRITE");
    this.slots = new SecretSlots(container, pkey);
    this.registers = new SecretRegisters(container);
  }

  get threads(): number {
    return this.byTask.size;
  }

  /** The slots of all threads. */
  get all(): Iterable<PhysAddr> {
    return this.byTask.values();
  }

  slotOf(task: number): PhysAddr | undefined {
    return this.byTask.get(task);
  }

  installed(cpu: number): Int32Array {
    return this.registers.of(cpu).slice();
  }

  resetKeys(keys: number): 0 | Errno {
    if ((keys & ~ALL_KEYS) !== 0) return Errno.EINVAL;
    this.renew(this.tasks().current.tid, keys === 0 ? ALL_KEYS : keys, "ptrauth_prctl_reset_keys");
    return 0;
  }

  /**
   * Gives slots to the tasks of boot, and loads the keys of the running ones on all CPUs.
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  start(): void {
    this.started = true;
    for (const { tid } of this.tasks().all) {
      if (this.create(tid) === 0) continue;
      throw new KpkeysError(
        "ERR_OUT_OF_MEMORY",
        `cannot allocate the secrets of task ${tid}: no page is free or can have a key`,
        {
          expected: "a machine with more memory",
        },
      );
    }
    for (const { id } of this.cpus().all) this.reload(id);
  }

  /** Loads the keys of the task that a CPU runs: at its start, and in `cpu_resume`. @param cpu - its number */
  reload(cpu: number): void {
    const cpus = this.cpus();
    const before = cpus.current;
    if (before.id !== cpu) cpus.current = cpus.all[cpu]!;
    this.switchTo(this.tasks().current.tid);
    if (before.id !== cpu) cpus.current = before;
  }

  /**
   * `arch_dup_task_struct()` and `ptrauth_thread_init_kernel()`: copies the parent's user keys, and draws a kernel key.
   * @param task - tid of the new task
   * @param parent - tid of its parent; `undefined` for a task of boot, for which user keys are drawn
   * @returns 0; -ENOMEM
   */
  create(task: number, parent?: number): 0 | Errno {
    if (!this.started) return 0;
    const slot = this.slots.alloc();
    if (slot === undefined) return Errno.ENOMEM;
    const from = parent === undefined ? undefined : this.byTask.get(parent);
    this.byTask.set(task, slot);
    const state = this.writer.enter();
    if (from === undefined) this.draw(slot, ALL_KEYS, "ptrauth_thread_init_user");
    else this.memory().copy(slot, from, SECRETS.kernel, "arch_dup_task_struct");
    this.drawKey(toPhysAddr(slot + SECRETS.kernel), "ptrauth_thread_init_kernel");
    this.writer.exit(state);
    return 0;
  }

  /** `ptrauth_thread_init_user()`: draws user keys for a new program. @param task - tid of the task that runs it */
  exec(task: number): void {
    this.renew(task, ALL_KEYS, "ptrauth_thread_init_user");
  }

  /** Zeroes and frees the slot of a task. @param task - its tid */
  exit(task: number): void {
    const slot = this.byTask.get(task);
    if (slot === undefined) return;
    this.byTask.delete(task);
    const memory = this.memory();
    const state = this.writer.enter();
    for (let at = 0; at < SECRETS.size; at += 8) memory.store(toPhysAddr(slot + at), 0, 0, "arch_release_task_struct");
    this.writer.exit(state);
    this.slots.free(slot);
  }

  /** `ptrauth_thread_switch_user()` and `_kernel()`: loads the keys of the next task. @param next - its tid */
  switchTo(next: number): void {
    const slot = this.byTask.get(next);
    if (slot === undefined) return;
    const state = this.reader.enter();
    this.registers.load(this.cpus().current.id, slot, "ptrauth_thread_switch");
    this.reader.exit(state);
  }

  /** Draws user keys of a task, and loads its slot if it runs on the current CPU. */
  private renew(task: number, keys: number, doing: string): void {
    const slot = this.byTask.get(task);
    if (slot === undefined) return;
    const state = this.writer.enter();
    this.draw(slot, keys, doing);
    if (this.tasks().current.tid === task) this.registers.load(this.cpus().current.id, slot, doing);
    this.writer.exit(state);
  }

  /** Draws the user keys of a mask of {@link PacKey} bits. */
  private draw(slot: PhysAddr, keys: number, doing: string): void {
    for (let key = 0; key * SECRETS.key < SECRETS.kernel; key++)
      if ((keys & (1 << key)) !== 0) this.drawKey(toPhysAddr(slot + key * SECRETS.key), doing);
  }

  private drawKey(key: PhysAddr, doing: string): void {
    const random = this.random();
    for (let at = 0; at < SECRETS.key; at += 8)
      this.memory().store(toPhysAddr(key + at), random.word() | 0, random.word() | 0, doing);
  }
}
