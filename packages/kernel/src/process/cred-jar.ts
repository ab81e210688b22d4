import { CRED, NOT_ENTERED } from "@kpkeys/core/contracts";
import type { CredStore, Guard, PhysAddr, SlabAllocator, SlabCache } from "@kpkeys/core/contracts";

/** Object size in bytes: a multiple of a cache line (SLAB_HWCACHE_ALIGN). */
const SIZE: number = Math.ceil(CRED.size / 64) * 64;

/** Mainline's store of credentials: `cred_init`, one cache without protection. */
export class CredJar implements CredStore {
  readonly guard: Guard = { enter: () => NOT_ENTERED, exit: () => undefined };
  private readonly jar: SlabCache;

  /** @param slab - makes the cache */
  constructor(slab: SlabAllocator) {
    this.jar = slab.createCache("cred_jar", { size: SIZE });
  }

  alloc(): PhysAddr | undefined {
    return this.jar.alloc();
  }

  allocLive(): PhysAddr | undefined {
    return this.jar.alloc();
  }

  free(cred: PhysAddr): void {
    this.jar.free(cred);
  }

  protect(cred: PhysAddr): PhysAddr {
    return cred;
  }
}
