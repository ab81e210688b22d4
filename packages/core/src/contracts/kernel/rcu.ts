import type { PhysAddr } from "../numbers.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * Read-copy-update without preemption of readers (TREE_RCU, CONFIG_PREEMPT_RCU off). A grace period ends when each CPU has passed a
 * quiescent state: a context switch, or idle. Then the callbacks that waited for it run in softirq. The model is deterministic: equal
 * sequences of calls and switches run the callbacks at the same points.
 */
export interface Rcu {
  /** Callbacks queued and not yet run. */
  readonly pending: number;
  /** Grace periods that have ended. */
  readonly gracePeriods: number;
  /** `rcu_read_lock`: the current CPU passes no quiescent state until the lock is released. May nest. */
  readLock(): void;
  /** `rcu_read_unlock`. @throws KpkeysError ERR_KERNEL_BUG without a lock */
  readUnlock(): void;
  /**
   * `call_rcu`: runs a callback after a grace period. The rcu_heads are a linked list, so this writes the new one and the previous one,
   * which can be in an object of another kind. Running a callback writes its rcu_head again.
   * @param head - physical address of the rcu_head inside the object: 16 bytes, the pointer to the next one and the callback
   * @param callback - run after the grace period with that address; the same function for all objects of a kind
   */
  call(head: PhysAddr, callback: (head: PhysAddr) => void): void;
  /**
   * `synchronize_rcu`, then `rcu_barrier`: when it returns, all earlier readers have ended and all earlier callbacks have run.
   * @throws KpkeysError ERR_DEADLOCK if a reader is active, because no other code runs that can end it
   */
  synchronize(): void;
}

/** Token of {@link Rcu}. */
export const Rcu: Token<Rcu> = token("Rcu");
