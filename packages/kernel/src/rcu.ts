import { KpkeysError } from "@kpkeys/core";
import type { Cpus, Exceptions, ExtensionPoints, KernelMemory, Rcu, Words } from "@kpkeys/core/contracts";
import { kernelBug } from "./kernel-bug.js";
import { createWriteGuard } from "./write-guard.js";

/** {@link Rcu} with what only the scheduler calls. */
export interface KernelRcu extends Rcu {
  /**
   * `rcu_note_context_switch`, after the switch: a quiescent state of the current CPU. May end the grace period and run callbacks.
   * @throws KpkeysError ERR_KERNEL_BUG inside a reader
   */
  noteContextSwitch(): void;
}

/** What RCU is made with. */
export interface RcuParts {
  /** The CPUs. */
  readonly cpus: Cpus;
  /** The kernel's accesses of rcu_heads. */
  readonly memory: KernelMemory;
  /** Softirq: callbacks run as an interrupt's work does. */
  readonly exceptions: Exceptions;
  /** The features that open rcu_heads for RCU's own writes. */
  readonly extensions: ExtensionPoints;
  /** Address of the first function of the kernel's text, for the callback's word. */
  readonly text: Words;
  /** Whether a CPU runs its idle task. */
  readonly isIdle: (cpu: number) => boolean;
}

/** Bytes from one function of the model's text to the next. */
const FUNCTION_SIZE = 16;

/** A list of callbacks through their rcu_heads: `struct rcu_cblist`. Physical addresses of its ends, 0 when it is empty. */
interface CallbackList {
  head: number;
  tail: number;
}

/**
 * Makes RCU. Callbacks that come while a grace period runs wait for the next one.
 *
 * ```text
 *   rcu_head:  | next | func |      waiting ──> a ──> b      for the grace period that runs
 *              0      8             next    ──> c            for the one after it
 * ```
 * @param parts - what it is made with
 */
export function createRcu({ cpus, memory, exceptions, extensions, text, isIdle }: RcuParts): KernelRcu {
  const headWrite = createWriteGuard(extensions.handlers("rcuHeadWrite"), extensions.handlers("rcuHeadWriteDone"));
  const nesting = cpus.all.map(() => 0);
  /** CPUs that have not passed a quiescent state since the grace period began; empty when none runs. */
  const holdouts = new Set<number>();
  const functions: ((head: number) => void)[] = [];
  let waiting: CallbackList = { head: 0, tail: 0 };
  let next: CallbackList = { head: 0, tail: 0 };

  /** The word of a callback is the address of its function in the kernel's text. */
  function writeFunction(head: number, callback: (head: number) => void): void {
    let index = functions.indexOf(callback);
    if (index < 0) index = functions.push(callback) - 1;
    memory.store(head + 8, text.high, (text.low + index * FUNCTION_SIZE) | 0, "call_rcu");
  }

  /** `rcu_cblist_enqueue`: the link to a callback is written into the one before it. */
  function call(head: number, callback: (head: number) => void): void {
    headWrite.enter();
    memory.storePointer(head, 0, "rcu_cblist_enqueue");
    writeFunction(head, callback);
    if (next.head === 0) next.head = head;
    else memory.storePointer(next.tail, head, "rcu_cblist_enqueue");
    headWrite.exit();
    next.tail = head;
    kernelRcu.pending++;
    if (holdouts.size === 0) startGracePeriod();
  }

  function startGracePeriod(): void {
    if (next.head === 0) return;
    waiting = next;
    next = { head: 0, tail: 0 };
    for (const { id } of cpus.all) holdouts.add(id);
  }

  /** `rcu_do_batch`: the rcu_head is read before its callback runs, for that frees the object. */
  function runCallbacks(list: CallbackList): void {
    for (let head = list.head; head !== 0;) {
      const following = memory.loadPointer(head, "rcu_do_batch");
      memory.load(head + 8, "rcu_do_batch");
      const callback = functions[((memory.valueLow - text.low) | 0) / FUNCTION_SIZE];
      if (callback === undefined || memory.valueHigh !== text.high || following < 0) {
        throw kernelBug("rcu_do_batch", `the rcu_head at 0x${head.toString(16)} is corrupted`, "what call_rcu wrote");
      }
      headWrite.enter();
      memory.store(head + 8, 0, 0, "rcu_do_batch");
      headWrite.exit();
      kernelRcu.pending--;
      callback(head);
      head = following;
    }
  }

  function endGracePeriod(): void {
    holdouts.clear();
    kernelRcu.gracePeriods++;
    const done = waiting;
    waiting = { head: 0, tail: 0 };
    startGracePeriod();
    if (done.head === 0) return;
    exceptions.interrupt(() => {
      runCallbacks(done);
    });
  }

  const kernelRcu: { -readonly [F in keyof KernelRcu]: KernelRcu[F] } = {
    pending: 0,
    gracePeriods: 0,
    readLock() {
      nesting[cpus.current.id]!++;
    },
    readUnlock() {
      const cpu = cpus.current.id;
      if (nesting[cpu] === 0) throw kernelBug("rcu_read_unlock", `CPU ${cpu} holds no lock`, "rcu_read_lock before");
      nesting[cpu]!--;
    },
    call,
    synchronize() {
      const reader = nesting.findIndex((depth) => depth > 0);
      if (reader >= 0) {
        throw new KpkeysError("ERR_DEADLOCK", `a grace period is waited for while CPU ${reader} reads`, {
          where: "synchronize_rcu",
          expected: "rcu_read_unlock first",
        });
      }
      // Nobody reads, so every CPU can pass a quiescent state at once, as for an expedited grace period: the one that runs ends, and
      // the one that the callbacks behind it wait for.
      endGracePeriod();
      if (holdouts.size > 0) endGracePeriod();
    },
    noteContextSwitch() {
      const { id } = cpus.current;
      if (nesting[id]! > 0) {
        throw kernelBug("rcu_note_context_switch", `CPU ${id} switches tasks inside a reader`, "rcu_read_unlock first");
      }
      if (holdouts.size === 0) return;
      for (const cpu of holdouts) if (cpu === id || (isIdle(cpu) && nesting[cpu] === 0)) holdouts.delete(cpu);
      if (holdouts.size === 0) endGracePeriod();
    },
  };
  return kernelRcu;
}
