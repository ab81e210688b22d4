import { KpkeysError } from "@kpkeys/core";

/** The mutex under which the pool is refilled and shrunk. Who owns it may use the part of the reserve that is for refills. */
export interface RefillMutex {
  /** Whether the current task owns it. */
  ownedByCurrent(): boolean;
  /**
   * Runs something with the mutex held.
   * @param body - what is run
   * @returns what it returns
   * @throws KpkeysError ERR_DEADLOCK when a task has it already: nobody could give it back while this one waits
   */
  hold<T>(body: () => T): T;
  /**
   * Runs something with the mutex held, unless a task has it.
   * @param body - what is run
   * @returns what it returns; `undefined` when it was not run
   */
  tryHold<T>(body: () => T): T | undefined;
}

/**
 * Makes the mutex, free.
 * @param currentTask - number of the task that runs
 */
export function createRefillMutex(currentTask: () => number): RefillMutex {
  let owner: number | undefined;

  function run<T>(body: () => T): T {
    owner = currentTask();
    try {
      return body();
    } finally {
      owner = undefined;
    }
  }

  return {
    ownedByCurrent: () => owner !== undefined && owner === currentTask(),
    hold(body) {
      if (owner !== undefined) {
        throw new KpkeysError("ERR_DEADLOCK", `task ${currentTask()} waits for the refill mutex of task ${owner}`, {
          where: "the block allocator of plugin 'pgtables'",
          expected: "no allocation of an ordinary table page while the pool is refilled",
        });
      }
      return run(body);
    },
    tryHold: (body) => (owner === undefined ? run(body) : undefined),
  };
}
