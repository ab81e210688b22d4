import type { Guard } from "../kpkeys.js";
import type { PhysAddr } from "../numbers.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * `struct cred` of mainline's `<linux/cred.h>` with CONFIG_KEYS and CONFIG_SECURITY, on a 64-bit machine: byte offsets. Ids are 32
 * bits wide, two in a word, the first in bits 31 to 0. The pointers (keyrings, LSM blob, user, namespace, groups) are 0: the model
 * has no such objects.
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
  /** Size in bytes. */
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

/** The fields of `struct cred` that the model reads or writes. */
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
 * Credentials of tasks (`kernel/cred.c`), identified by physical address. The credentials of tasks are live: they are shared and
 * reference-counted, and only their reference count and rcu_head are written. To change its credential, a task prepares a copy and commits it.
 */
export interface Creds {
  /** `init_cred`: the credential of root and of the idle tasks. It is in the kernel image, in a page without other data. */
  readonly init: PhysAddr;
  /** `prepare_creds`: a writable copy of the current task's credential, with one reference. @returns its address; `undefined` without memory */
  prepare(): PhysAddr | undefined;
  /** `prepare_protected_creds`: the same in the memory of live credentials. @returns its address; `undefined` without memory */
  prepareProtected(): PhysAddr | undefined;
  /**
   * `protect_creds`: makes a prepared credential live, for {@link override}. If a feature stores live credentials in other memory, the
   * credential moves and the old address becomes invalid.
   * @param cred - a prepared credential with one reference
   * @returns its new address
   */
  protect(cred: PhysAddr): PhysAddr;
  /**
   * `commit_creds`: makes a credential the objective and subjective one of the current task. Takes over the caller's reference; the
   * credential may move.
   * @param cred - a prepared credential
   * @throws KpkeysError ERR_KERNEL_BUG if the task's credential is overridden, or for a credential without a reference
   */
  commit(cred: PhysAddr): void;
  /** `abort_creds`: frees a prepared credential. @param cred - the credential @throws KpkeysError ERR_KERNEL_BUG without a reference */
  abort(cred: PhysAddr): void;
  /**
   * `override_creds`: sets the subjective credential of the current task. Takes no reference (since Linux 6.14).
   * @param cred - a credential that is referenced until {@link revert}
   * @returns the previous subjective credential
   */
  override(cred: PhysAddr): PhysAddr;
  /** `revert_creds`. @param cred - the result of {@link override} @returns the credential that was set until now */
  revert(cred: PhysAddr): PhysAddr;
  /**
   * `access_override_creds` of `faccessat`: overrides with a copy whose file-system ids are the real ids. The caller drops the copy's one
   * reference after the revert; the copy is freed without a grace period (`non_rcu`).
   * @returns the previous subjective credential; `undefined` without memory
   */
  accessOverride(): PhysAddr | undefined;
  /** `get_cred`. @param cred - a credential */
  get(cred: PhysAddr): void;
  /**
   * `put_cred`: drops a reference. With the last one the credential is freed, after a grace period unless it is `non_rcu`.
   * @param cred - a credential
   * @throws KpkeysError ERR_KERNEL_BUG if the current task still uses it, or it has no reference
   */
  put(cred: PhysAddr): void;
  /** `current_cred`: the subjective credential of the current task. */
  current(): PhysAddr;
  /** `current_real_cred`: the objective credential of the current task. */
  real(): PhysAddr;
}

/** Token of {@link Creds}. */
export const Creds: Token<Creds> = token("Creds");

/**
 * The memory of credentials, and the guard for writes to live ones. The kernel's store is one slab cache, `cred_jar`, without a guard. A
 * feature can replace it.
 */
export interface CredStore {
  /** Allocates a credential to prepare, writable without a guard. @returns its physical address; `undefined` without memory */
  alloc(): PhysAddr | undefined;
  /** Allocates a credential that is live from the start, writable only inside the guard. @returns as {@link alloc} */
  allocLive(): PhysAddr | undefined;
  /** Frees a credential of either kind. @param cred - a credential without references */
  free(cred: PhysAddr): void;
  /** Makes a prepared credential live: {@link Creds.protect}, {@link Creds.commit}. @param cred - its address @returns its new address */
  protect(cred: PhysAddr): PhysAddr;
  /** The guard for writes to live credentials. */
  readonly guard: Guard;
}
