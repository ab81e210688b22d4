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
import { kernelBug } from "../machine/errors.js";
import type { Addresses } from "../mm/addresses.js";
import { WriteGuard } from "../slab/write-guard.js";

/** The part of the tasks that RCU needs. An interface, because the tasks depend on RCU. */
interface IdleTasks {
  /** Whether a CPU runs its idle task. @param cpu - the CPU's number */
  isIdle(cpu: number): boolean;
}

/** Distance between two functions of the model's kernel text in bytes. */
const FUNCTION_SIZE = 16;

/** A list of callbacks linked by their rcu_heads: `struct rcu_cblist`. Physical addresses of its ends; {@link NULL} if it is empty. */
interface CallbackList {
  head: PhysAddr;
  tail: PhysAddr;
}

const NO_CALLBACKS: Readonly<CallbackList> = { head: NULL, tail: NULL };

/**
 * RCU. A callback registered during a grace period waits for the next one.
 *
 * ```text
 *   rcu_head:  | next | func |      waiting ──> a ──> b      for the current grace period
 *              0      8             next    ──> c            for the next one
 * ```
 */
@injectable()
export class KernelRcu implements Rcu {
  pending = 0;
  gracePeriods = 0;
  private readonly headWrite: WriteGuard;
  private readonly nesting: number[];
  /** CPUs without a quiescent state in the current grace period. Empty if there is none. */
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

  /** Lets a CPU in its idle task count as quiescent. @param tasks - the tasks */
  attachTasks(tasks: IdleTasks): void {
    this.tasks = tasks;
  }

  readLock(): void {
    this.nesting[this.cpus.current.id]!++;
  }

  readUnlock(): void {
    const cpu = this.cpus.current.id;
    if (this.nesting[cpu] === 0)
      throw kernelBug("rcu_read_unlock", `CPU ${cpu} is not in a read-side critical section`, "rcu_read_lock first");
    this.nesting[cpu]!--;
  }

  /** `call_rcu`: writes the link to the callback into the last rcu_head of the list (`rcu_cblist_enqueue`). */
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
      throw new KpkeysError(
        "ERR_DEADLOCK",
        `cannot wait for a grace period: CPU ${reader} is in a read-side critical section`,
        {
          where: "synchronize_rcu",
          expected: "rcu_read_unlock first",
        },
      );
    }
    // No CPU is in a reader, so all can pass a quiescent state, as in an expedited grace period. This ends the current grace period
    // and the next one, if callbacks wait for it.
    this.endGracePeriod();
    if (this.holdouts.size > 0) this.endGracePeriod();
  }

  /**
   * `rcu_note_context_switch`, after the switch: a quiescent state of the current CPU. May end the grace period and run callbacks.
   * @throws KpkeysError ERR_KERNEL_BUG in a read-side critical section
   */
  noteContextSwitch(): void {
    const { holdouts, nesting } = this;
    const { id } = this.cpus.current;
    if (nesting[id]! > 0) {
      throw kernelBug(
        "rcu_note_context_switch",
        `CPU ${id} switches tasks in a read-side critical section`,
        "rcu_read_unlock first",
      );
    }
    if (holdouts.size === 0) return;
    for (const cpu of holdouts) {
      if (cpu === id || (this.tasks?.isIdle(cpu) === true && nesting[cpu] === 0)) holdouts.delete(cpu);
    }
    if (holdouts.size === 0) this.endGracePeriod();
  }

  /** Writes `func`: the address of the callback in the kernel text. */
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

  /** `rcu_do_batch`: reads the rcu_head before the callback runs, because the callback frees the object. */
  private runCallbacks(list: CallbackList): void {
    const { memory } = this;
    for (let head = list.head; head !== NULL;) {
      const following = memory.loadPointer(head, "rcu_do_batch");
      const callback = this.functionAt(head);
      if (callback === undefined || following === undefined) {
        throw kernelBug("rcu_do_batch", `the rcu_head at ${hex(head)} is corrupted`, "the words that call_rcu wrote");
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
