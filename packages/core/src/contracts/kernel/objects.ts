import type { PkeyName } from "../kpkeys.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/** What a slab cache is made of. */
export interface SlabCacheOptions {
  /** Bytes of an object; rounded up to a multiple of 8. */
  readonly size: number;
  /** The key that its slabs get: `SLAB_SET_PKEY`. Such a cache is never merged with another. */
  readonly pkey?: PkeyName;
}

/** A cache of objects of one size: `kmem_cache`. */
export interface SlabCache {
  /** Its name in `/proc/slabinfo`. */
  readonly name: string;
  /** The key of its slabs, 0 when they have none. */
  readonly pkey: number;
  /**
   * Takes an object.
   * @returns its linear address as page-frame number times 4096 plus offset, or -1 when there is no memory
   */
  alloc(): number;
  /** Gives an object back. @param object - what {@link alloc} gave */
  free(object: number): void;
}

/** The slab allocator, as far as features need it: caches whose slabs have a key. */
export interface SlabAllocator {
  /**
   * `kmem_cache_create`.
   * @param name - its name
   * @param options - size and key
   * @throws KpkeysError ERR_PKEY_UNKNOWN
   */
  createCache(name: string, options: SlabCacheOptions): SlabCache;
}

/** Token of {@link SlabAllocator}. */
export const SlabAllocator: Token<SlabAllocator> = token("SlabAllocator");

/** Read-copy-update, as far as freeing objects late needs it. */
export interface Rcu {
  /**
   * `call_rcu`: runs a callback after a grace period. The `rcu_head` is written at once, by the caller's rights.
   * @param head - address of the rcu_head inside the object, in the form of {@link SlabCache.alloc}
   * @param callback - run after the grace period
   */
  call(head: number, callback: () => void): void;
  /** `synchronize_rcu`: runs all callbacks queued before. */
  synchronize(): void;
}

/** Token of {@link Rcu}. */
export const Rcu: Token<Rcu> = token("Rcu");

/** Credentials of tasks. A credential is named by its address, in the form of {@link SlabCache.alloc}. */
export interface Creds {
  /** `prepare_creds`: a copy of the current task's, writable. @returns its address, or -1 */
  prepare(): number;
  /** `commit_creds`: makes it the current task's; consumes the caller's reference and may move it. @param cred - a prepared one */
  commit(cred: number): void;
  /** `override_creds`: uses it for the current task, for a time. @param cred - a credential @returns the one before */
  override(cred: number): number;
  /** `revert_creds`. @param cred - what {@link override} gave */
  revert(cred: number): void;
  /** The current task's subjective credential: `current->cred`. */
  current(): number;
}

/** Token of {@link Creds}. */
export const Creds: Token<Creds> = token("Creds");
