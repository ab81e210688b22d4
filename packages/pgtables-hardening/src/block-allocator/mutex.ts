import { KpkeysError } from "@kpkeys/core";

/** The mutex under which the pool is refilled and shrunk. Its owner may use the part of the reserve that is for refills. */
export class RefillMutex {
  private owner: number | undefined;

  /** @param currentTask - returns the tid of the current task */
  constructor(private readonly currentTask: () => number) {}

  /** Whether the current task owns the mutex. */
  ownedByCurrent(): boolean {
    return this.owner !== undefined && this.owner === this.currentTask();
  }

  /**
   * Runs a function with the mutex held.
   * @param body - the function
   * @returns its result
   * @throws KpkeysError ERR_DEADLOCK if a task owns the mutex: one task runs at a time, so the owner could not release it
   */
  hold<T>(body: () => T): T {
    if (this.owner !== undefined) {
      throw new KpkeysError(
        "ERR_DEADLOCK",
        `task ${this.currentTask()} cannot lock the refill mutex: task ${this.owner} owns it`,
        {
          where: "the block allocator of plugin 'pgtables'",
          advice: "allocate no ordinary table page during a refill",
        },
      );
    }
    return this.run(body);
  }

  /**
   * Runs a function with the mutex held, unless a task owns it.
   * @param body - the function
   * @returns its result; `undefined` if it did not run
   */
  tryHold<T>(body: () => T): T | undefined {
    return this.owner === undefined ? this.run(body) : undefined;
  }

  private run<T>(body: () => T): T {
    this.owner = this.currentTask();
    try {
      return body();
    } finally {
      this.owner = undefined;
    }
  }
}
