import { hex, inject, injectable, KpkeysError } from "@kpkeys/core";
import {
  Cpus,
  Exceptions,
  ExtensionPoints,
  KernelMemory,
  LinearMap,
  NULL,
  PageTableFormat,
  toPhysAddr,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { PhysAddr, Rcu, Words } from "@kpkeys/core/contracts";
import { kernelBug } from "../machine/kernel-bug.js";
import type { Addresses } from "../mm/addresses.js";
import { WriteGuard } from "../slab/write-guard.js";

/** The question that RCU has for the tasks, which report their switches to it. */
interface IdleTasks {
  /** Whether a CPU runs its idle task. @param cpu - the CPU's number */
  isIdle(cpu: number): boolean;
}

/** Bytes from one function of the model's text to the next. */
const FUNCTION_SIZE = 16;

/** A list of callbacks through their rcu_heads: `struct rcu_cblist`. Physical addresses of its ends, {@link NULL} when it is empty. */
interface CallbackList {
  head: PhysAddr;
  tail: PhysAddr;
}

const NO_CALLBACKS: Readonly<CallbackList> = { head: NULL, tail: NULL };

/**
 * RCU. Callbacks registered while a grace period runs wait for the next one.
 *
 * ```text
 *   rcu_head:  | next | func |      waiting ──> a ──> b      for the grace period that runs
 *              0      8             next    ──> c            for the one after it
 * ```
 */
@injectable()
export class KernelRcu implements Rcu {
  pending = 0;
  gracePeriods = 0;
  private readonly headWrite: WriteGuard;
  private readonly nesting: number[];
  /** CPUs that have not passed a quiescent state since the grace period began; empty when none runs. */
  private readonly holdouts = new Set<number>();
  private readonly functions: ((head: PhysAddr) => void)[] = [];
  private waiting: CallbackList = { ...NO_CALLBACKS };
  private next: CallbackList = { ...NO_CALLBACKS };
  private tasks: IdleTasks | undefined;
  /** Address of the first function of the kernel's text. */
  private readonly text: Words;

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(KernelMemory) private readonly memory: KernelMemory,
    @inject(Exceptions) private readonly exceptions: Exceptions,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
    @inject(LinearMap) { imagePage }: Addresses,
    @inject(PageTableFormat) { geometry }: PageTableFormat,
  ) {
    this.headWrite = new WriteGuard(extensions.handlers("rcuHeadWrite"), extensions.handlers("rcuHeadWriteDone"));
    this.nesting = cpus.all.map(() => 0);
    this.text = wordsOf(imagePage, geometry.pageShift);
  }

  /** From now on a CPU in its idle task is in a quiescent state. @param tasks - the tasks */
  attachTasks(tasks: IdleTasks): void {
    this.tasks = tasks;
  }

  readLock(): void {
    this.nesting[this.cpus.current.id]!++;
  }

  readUnlock(): void {
    const cpu = this.cpus.current.id;
    if (this.nesting[cpu] === 0) throw kernelBug("rcu_read_unlock", `CPU ${cpu} holds no lock`, "rcu_read_lock before");
    this.nesting[cpu]!--;
  }

  /** `rcu_cblist_enqueue`: the link to a callback is written into the one before it. */
  call(head: PhysAddr, callback: (head: PhysAddr) => void): void {
    const { memory, next } = this;
    this.headWrite.enter();
    memory.storePointer(head, NULL, "rcu_cblist_enqueue");
    this.writeFunction(head, callback);
    if (next.head === NULL) next.head = head;
    else memory.storePointer(next.tail, head, "rcu_cblist_enqueue");
    this.headWrite.exit();
    next.tail = head;
    this.pending++;
    if (this.holdouts.size === 0) this.startGracePeriod();
  }

  synchronize(): void {
    const reader = this.nesting.findIndex((depth) => depth > 0);
    if (reader >= 0) {
      throw new KpkeysError("ERR_DEADLOCK", `a grace period is waited for while CPU ${reader} reads`, {
        where: "synchronize_rcu",
        expected: "rcu_read_unlock first",
      });
    }
    // No CPU reads, so each can pass a quiescent state at once, as for an expedited grace period: the running one ends, and the one
    // that the callbacks after it wait for.
    this.endGracePeriod();
    if (this.holdouts.size > 0) this.endGracePeriod();
  }

  /**
   * `rcu_note_context_switch`, after the switch: a quiescent state of the current CPU. May end the grace period and run callbacks.
   * @throws KpkeysError ERR_KERNEL_BUG inside a reader
   */
  noteContextSwitch(): void {
    const { holdouts, nesting } = this;
    const { id } = this.cpus.current;
    if (nesting[id]! > 0) {
      throw kernelBug("rcu_note_context_switch", `CPU ${id} switches tasks inside a reader`, "rcu_read_unlock first");
    }
    if (holdouts.size === 0) return;
    for (const cpu of holdouts) {
      if (cpu === id || (this.tasks?.isIdle(cpu) === true && nesting[cpu] === 0)) holdouts.delete(cpu);
    }
    if (holdouts.size === 0) this.endGracePeriod();
  }

  /** The word of a callback is the address of its function in the kernel's text. */
  private writeFunction(head: PhysAddr, callback: (head: PhysAddr) => void): void {
    let index = this.functions.indexOf(callback);
    if (index < 0) index = this.functions.push(callback) - 1;
    this.memory.store(toPhysAddr(head + 8), this.text.high, (this.text.low + index * FUNCTION_SIZE) | 0, "call_rcu");
  }

  private startGracePeriod(): void {
    if (this.next.head === NULL) return;
    this.waiting = this.next;
    this.next = { ...NO_CALLBACKS };
    for (const { id } of this.cpus.all) this.holdouts.add(id);
  }

  private endGracePeriod(): void {
    this.holdouts.clear();
    this.gracePeriods++;
    const done = this.waiting;
    this.waiting = { ...NO_CALLBACKS };
    this.startGracePeriod();
    if (done.head === NULL) return;
    this.exceptions.interrupt(() => {
      this.runCallbacks(done);
    });
  }

  /** `rcu_do_batch`: the rcu_head is read before its callback runs, because the callback frees the object. */
  private runCallbacks(list: CallbackList): void {
    const { memory } = this;
    for (let head = list.head; head !== NULL;) {
      const following = memory.loadPointer(head, "rcu_do_batch");
      const callback = this.functionAt(head);
      if (callback === undefined || following === undefined) {
        throw kernelBug("rcu_do_batch", `the rcu_head at ${hex(head)} is corrupted`, "what call_rcu wrote");
      }
      this.headWrite.enter();
      memory.store(toPhysAddr(head + 8), 0, 0, "rcu_do_batch");
      this.headWrite.exit();
      this.pending--;
      callback(head);
      head = following;
    }
  }

  private functionAt(head: PhysAddr): ((head: PhysAddr) => void) | undefined {
    this.memory.load(toPhysAddr(head + 8), "rcu_do_batch");
    const { valueHigh, valueLow } = this.memory;
    return valueHigh === this.text.high ? this.functions[((valueLow - this.text.low) | 0) / FUNCTION_SIZE] : undefined;
  }
}
