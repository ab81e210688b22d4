import { CRED } from "@kpkeys/core/contracts";
import type { CredStore, Guard, KpkeysState, SlabAllocator } from "@kpkeys/core/contracts";

/** Bytes from one credential to the next: a multiple of a cache line (SLAB_HWCACHE_ALIGN). */
const SIZE: number = Math.ceil(CRED.size / 64) * 64;

const NO_GUARD: Guard = { enter: () => 0 as KpkeysState, exit: () => undefined };

/**
 * The kernel's own store of credentials: `cred_init`, one cache for all of them.
 * @param slab - makes the cache
 */
export function createCredJar(slab: SlabAllocator): CredStore {
  const jar = slab.createCache("cred_jar", { size: SIZE });
  return {
    alloc: () => jar.alloc(),
    allocLive: () => jar.alloc(),
    free(cred) {
      jar.free(cred);
    },
    protect: (cred) => cred,
    guard: NO_GUARD,
  };
}
