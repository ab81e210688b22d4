import type { PhysAddr } from "../numbers.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/** Bytes of an `rcu_head`: the next one of the list, and the callback. */
export const RCU_HEAD_SIZE = 16;

/**
 * Read-copy-update without preemption of readers (TREE_RCU, CONFIG_PREEMPT_RCU off). A grace period ends once every CPU has passed a
 * quiescent state, which is a context switch or being idle; then the callbacks that waited for it run, in softirq. Nothing is random:
 * equal sequences of calls and switches run equal callbacks at equal moments.
 */
export interface Rcu {
  /** Callbacks queued and not yet run. */
  readonly pending: number;
  /** Grace periods that have ended. */
  readonly gracePeriods: number;
  /** `rcu_read_lock`: the current CPU passes no quiescent state until the lock is given back. May nest. */
  readLock(): void;
  /** `rcu_read_unlock`. @throws KpkeysError ERR_KERNEL_BUG without a lock */
  readUnlock(): void;
  /**
   * `call_rcu`: runs a callback after a grace period. The list of callbacks runs through the rcu_heads, so this writes the one given
   * and the one that was queued before it, wherever that lies; running a callback writes its rcu_head once more.
   * @param head - physical address of the rcu_head inside the object, {@link RCU_HEAD_SIZE} bytes
   * @param callback - run after the grace period with that address; the same function for all objects of a kind
   */
  call(head: PhysAddr, callback: (head: PhysAddr) => void): void;
  /**
   * `synchronize_rcu`, and `rcu_barrier` after it: all readers of before have ended and all callbacks of before have run when it
   * returns.
   * @throws KpkeysError ERR_DEADLOCK while a reader is active, for nothing else runs meanwhile that could end it
   */
  synchronize(): void;
}

/** Token of {@link Rcu}. */
export const Rcu: Token<Rcu> = token("Rcu");
