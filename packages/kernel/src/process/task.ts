import { KpkeysError } from "@kpkeys/core";
import { NULL } from "@kpkeys/core/contracts";
import type { Mm, PhysAddr, Task, Words } from "@kpkeys/core/contracts";
import type { TaskCreds } from "./cred.js";
import { newLazyMmuState } from "../mm/lazy-mmu.js";
import type { LazyMmuState } from "../mm/lazy-mmu.js";

/** A thread: `task_struct`. */
export class KernelTask implements Task, TaskCreds {
  cred: PhysAddr = NULL;
  realCred: PhysAddr = NULL;
  readonly lazyMmu: LazyMmuState = newLazyMmuState();
  /** Whether it has exited. */
  ended = false;

  /**
   * @param tid - thread id
   * @param mm - address space; `undefined` for a kernel thread
   * @param pkeyRegisterHigh - bits 63 to 32 of the saved key register
   * @param pkeyRegisterLow - bits 31 to 0
   * @param fetchRegister - the saved register for fetches; `undefined` if there is none
   */
  constructor(
    readonly tid: number,
    public mm: Mm | undefined,
    public pkeyRegisterHigh: number,
    public pkeyRegisterLow: number,
    public fetchRegister: Words | undefined,
  ) {}

  /**
   * The kernel's object of a handle.
   * @param task - a task that {@link Tasks} returned
   * @throws KpkeysError ERR_API_MISUSE for any other object
   */
  static of(task: Task): KernelTask {
    if (task instanceof KernelTask) return task;
    throw new KpkeysError("ERR_API_MISUSE", "the object is not a task of this kernel", {
      where: `task ${task.tid}`,
      expected: "a task that Tasks.create returned",
    });
  }
}
