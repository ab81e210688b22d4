import type { Guard } from "../kpkeys.js";
import type { PhysAddr } from "../numbers.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * `struct cred` of mainline's `<linux/cred.h>` with CONFIG_KEYS and CONFIG_SECURITY, on a 64-bit machine: byte offsets. Ids are 32
 * bits wide, two in a word, the first in bits 31 to 0. The pointers (keyrings, LSM blob, user, namespace, groups) are there and 0:
 * nothing stands behind them here.
 *
 * ```text
 *   0 usage                       48 cap_inheritable   88 jit_keyring (8 bits)   136 user
 *   8 uid  12 gid  16 suid        56 cap_permitted     96 session_keyring       144 user_ns
 *  20 sgid 24 euid 28 egid        64 cap_effective    104 process_keyring       152 ucounts
 *  32 fsuid 36 fsgid              72 cap_bset         112 thread_keyring        160 group_info
 *  40 securebits                  80 cap_ambient      120 request_key_auth      168 rcu: next, func (non_rcu: bits 31 to 0)
 *                                                     128 security
 * ```
 */
export const CRED: Readonly<Record<CredField, number>> & {
  /** Bytes of the whole. */
  readonly size: number;
} = {
  usage: 0,
  uid: 8,
  gid: 12,
  suid: 16,
  sgid: 20,
  euid: 24,
  egid: 28,
  fsuid: 32,
  fsgid: 36,
  securebits: 40,
  capInheritable: 48,
  capPermitted: 56,
  capEffective: 64,
  capBset: 72,
  capAmbient: 80,
  rcu: 168,
  size: 184,
};

/** The fields of `struct cred` that something here reads or writes. */
export type CredField =
  | "usage"
  | "uid"
  | "gid"
  | "suid"
  | "sgid"
  | "euid"
  | "egid"
  | "fsuid"
  | "fsgid"
  | "securebits"
  | "capInheritable"
  | "capPermitted"
  | "capEffective"
  | "capBset"
  | "capAmbient"
  | "rcu";

/**
 * Credentials of tasks (`kernel/cred.c`). A credential is named by its physical address, page-frame number times page size plus offset.
 * Those of tasks are live: shared, counted, not written any more but for their reference count and their rcu_head. To change one, a task
 * prepares a copy and commits it.
 */
export interface Creds {
  /** `init_cred`: root's, of the idle tasks; it lies in the kernel image, alone in its page. */
  readonly init: PhysAddr;
  /** `prepare_creds`: a copy of the current task's, with one reference, to be written. @returns its address, or `undefined` when there is no memory */
  prepare(): PhysAddr | undefined;
  /** `prepare_protected_creds`: the same, already where live ones lie. @returns its address, or `undefined` when there is no memory */
  prepareProtected(): PhysAddr | undefined;
  /**
   * `protect_creds`: makes a prepared credential a live one, for {@link override}. Where a feature keeps live ones elsewhere it
   * moves, and the old address means nothing any more.
   * @param cred - a prepared one, with one reference
   * @returns its address
   */
  protect(cred: PhysAddr): PhysAddr;
  /**
   * `commit_creds`: makes a credential the current task's, objective and subjective. Consumes the caller's reference, so it may move.
   * @param cred - a prepared one
   * @throws KpkeysError ERR_KERNEL_BUG while the task's own is overridden, or for one without a reference
   */
  commit(cred: PhysAddr): void;
  /** `abort_creds`: gives a prepared one up. @param cred - a prepared one @throws KpkeysError ERR_KERNEL_BUG for one without a reference */
  abort(cred: PhysAddr): void;
  /**
   * `override_creds`: the current task acts with a credential, for a time. Takes no reference (since Linux 6.14).
   * @param cred - one that stays referenced until it is {@link revert}ed
   * @returns the subjective one before
   */
  override(cred: PhysAddr): PhysAddr;
  /** `revert_creds`. @param cred - what {@link override} gave @returns the one that was in force until now */
  revert(cred: PhysAddr): PhysAddr;
  /**
   * `access_override_creds` of `faccessat`: overrides with a copy in which the file-system ids are the real ones. It has one reference,
   * which the caller puts after the revert, and is freed without a grace period (`non_rcu`).
   * @returns the subjective credential before, or `undefined` when there is no memory
   */
  accessOverride(): PhysAddr | undefined;
  /** `get_cred`. @param cred - a credential */
  get(cred: PhysAddr): void;
  /**
   * `put_cred`: with the last reference the credential is freed, after a grace period unless it never was in sight of RCU readers.
   * @param cred - a credential
   * @throws KpkeysError ERR_KERNEL_BUG where the current task still uses it, or nobody has a reference
   */
  put(cred: PhysAddr): void;
  /** `current_cred`: the subjective credential of the current task. */
  current(): PhysAddr;
  /** `current_real_cred`: its objective one. */
  real(): PhysAddr;
}

/** Token of {@link Creds}. */
export const Creds: Token<Creds> = token("Creds");

/**
 * Where credentials lie and what opens live ones for writing. The kernel's own is one slab cache, `cred_jar`, and no guard; one feature
 * may take its place.
 */
export interface CredStore {
  /** Memory for one that is being prepared: written freely. @returns its physical address, or `undefined` when there is no memory */
  alloc(): PhysAddr | undefined;
  /** Memory for one that is live from the start: written inside the guard alone. @returns as {@link alloc} */
  allocLive(): PhysAddr | undefined;
  /** Gives memory of either kind back. @param cred - a credential without references */
  free(cred: PhysAddr): void;
  /** What {@link Creds.protect} and {@link Creds.commit} do to a prepared one. @param cred - its address @returns the address at which it is live */
  protect(cred: PhysAddr): PhysAddr;
  /** Opens live ones. */
  readonly guard: Guard;
}
