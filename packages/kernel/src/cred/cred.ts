import { CRED } from "@kpkeys/core/contracts";
import type { CredStore, KernelMemory, Rcu } from "@kpkeys/core/contracts";
import { kernelBug } from "../kernel-bug.js";

/** The credentials of a task: where its two pointers are kept. Nothing protects the pointers themselves. */
export interface TaskCreds {
  /** `task->cred`, subjective: what it acts with. */
  cred: number;
  /** `task->real_cred`, objective: what it is judged by. */
  realCred: number;
}

/** Credentials as objects: their copies, and who still refers to them. */
export interface CredObjects {
  /** The reference count. @param cred - its address */
  usage(cred: number): number;
  /**
   * Takes references: `get_cred_many`.
   * @param cred - its address
   * @param count - how many
   */
  get(cred: number, count: number): void;
  /**
   * Gives references back, and the object with the last: `put_cred_many`.
   * @param cred - its address
   * @param count - how many
   * @throws KpkeysError ERR_KERNEL_BUG for more than there are
   */
  put(cred: number, count: number): void;
  /**
   * Makes a copy with one reference.
   * @param from - the original
   * @param live - whether it lies where live ones do
   * @returns its address, or -1 when there is no memory
   */
  copy(from: number, live: boolean): number;
  /**
   * Writes a pair of 32-bit fields.
   * @param cred - a credential that may be written now
   * @param offset - of the first, from {@link CRED}
   * @param low - the first
   * @param high - the second
   */
  writePair(cred: number, offset: number, low: number, high: number): void;
}

/**
 * Makes the handling of credentials. Their reference count and their rcu_head lie inside them, so that even those who only refer to a
 * live one write it: inside the store's guard.
 * @param memory - the kernel's accesses
 * @param rcu - frees them late
 * @param store - where they lie
 */
export function createCredObjects(memory: KernelMemory, rcu: Rcu, store: CredStore): CredObjects {
  const { guard } = store;

  function usage(cred: number): number {
    memory.load(cred + CRED.usage, "get_cred");
    return memory.valueLow;
  }

  /** `put_cred_rcu`: the end of a credential, after the grace period. */
  function putCredRcu(head: number): void {
    const cred = head - CRED.rcu;
    const left = usage(cred);
    if (left !== 0) throw kernelBug("put_cred_rcu", `the credential 0x${cred.toString(16)} has usage ${left}`, "0");
    store.free(cred);
  }

  /** `non_rcu` shares its word with the rcu_head: whoever takes a reference may show the credential to RCU readers. */
  function get(cred: number, count: number): void {
    const state = guard.enter();
    memory.store(cred + CRED.usage, 0, usage(cred) + count, "get_cred_many");
    memory.store(cred + CRED.rcu, 0, 0, "get_cred_many");
    guard.exit(state);
  }

  function put(cred: number, count: number): void {
    const left = usage(cred) - count;
    if (left < 0) {
      throw kernelBug("put_cred_many", `the credential 0x${cred.toString(16)} would have usage ${left}`, "0 or more");
    }
    const state = guard.enter();
    memory.store(cred + CRED.usage, 0, left, "put_cred_many");
    guard.exit(state);
    if (left === 0) free(cred);
  }

  /** `__put_cred`. */
  function free(cred: number): void {
    memory.load(cred + CRED.rcu, "__put_cred");
    if (memory.valueLow !== 0) putCredRcu(cred + CRED.rcu);
    else rcu.call(cred + CRED.rcu, putCredRcu);
  }

  function fill(cred: number, from: number): void {
    memory.copy(cred, from, CRED.size, "prepare_creds");
    memory.store(cred + CRED.rcu, 0, 0, "prepare_creds");
    memory.store(cred + CRED.usage, 0, 1, "prepare_creds");
  }

  return {
    usage,
    get,
    put,
    copy(from, live) {
      const cred = live ? store.allocLive() : store.alloc();
      if (cred < 0) return -1;
      if (!live) fill(cred, from);
      else {
        const state = guard.enter();
        fill(cred, from);
        guard.exit(state);
      }
      return cred;
    },
    writePair(cred, offset, low, high) {
      memory.store(cred + offset, high, low, "set_cred");
    },
  };
}
