import { KpkeysError } from "@kpkeys/core";
import { NULL } from "@kpkeys/core/contracts";
import type { Mm, PhysAddr, Task } from "@kpkeys/core/contracts";
import type { TaskCreds } from "./cred.js";
import { newLazyMmuState } from "../mm/lazy-mmu.js";
import type { LazyMmuState } from "../mm/lazy-mmu.js";

/** A thread: `task_struct`. */
export class KernelTask implements Task, TaskCreds {
  cred: PhysAddr = NULL;
  realCred: PhysAddr = NULL;
  readonly lazyMmu: LazyMmuState = newLazyMmuState();
  /** Whether it has ended. */
  ended = false;

  /**
   * @param tid - its number
   * @param mm - its address space; `undefined` for a kernel thread
   * @param pkeyRegisterHigh - bits 63 to 32 of its key register while it does not run
   * @param pkeyRegisterLow - bits 31 to 0
   */
  constructor(
    readonly tid: number,
    public mm: Mm | undefined,
    public pkeyRegisterHigh: number,
    public pkeyRegisterLow: number,
  ) {}

  /**
   * The kernel's own object of a contract's handle.
   * @param task - what {@link Tasks} gave
   * @throws KpkeysError ERR_API_MISUSE for an object of another maker
   */
  static of(task: Task): KernelTask {
    if (task instanceof KernelTask) return task;
    throw new KpkeysError("ERR_API_MISUSE", "a task that this kernel did not make", { where: `task ${task.tid}` });
  }
}
