import { token } from "@kpkeys/core/contracts";
import type { Errno, PhysAddr, Token } from "@kpkeys/core/contracts";

/** The secrets of threads, as the rest of the kernel uses them. */
export interface ThreadSecrets {
  /** Number of threads with secrets: all of them after the phase `system_features`. */
  readonly threads: number;
  /**
   * The slot of a thread.
   * @param task - its tid
   * @returns its physical address; `undefined` for a task that has exited, and for each task before the phase `system_features`
   */
  slotOf(task: number): PhysAddr | undefined;
  /**
   * The key registers of a CPU, APIAKeyLo_EL1 and the following ones, outside memory. The user keys are those that the next return to user
   * mode has.
   * @param cpu - its number
   * @returns the words of the slot that was loaded last: of each 64-bit word bits 31 to 0, then bits 63 to 32
   */
  installed(cpu: number): Int32Array;
  /**
   * `prctl(PR_PAC_RESET_KEYS)` of the current task: gives it new user keys, and loads them.
   * @param keys - bits of {@link PacKey}; 0 for all keys
   * @returns 0; -EINVAL for other bits
   */
  resetKeys(keys: number): 0 | Errno;
}

/** Token of {@link ThreadSecrets}. */
export const ThreadSecrets: Token<ThreadSecrets> = token("ThreadSecrets");
