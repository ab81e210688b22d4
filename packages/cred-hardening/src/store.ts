import { hex, lazily } from "@kpkeys/core";
import { CRED, KernelMemory, SlabAllocator, toPhysAddr } from "@kpkeys/core/contracts";
import type { CredStore, DependencyContainer, Guard, Kpkeys, PhysAddr, SlabCache } from "@kpkeys/core/contracts";

/** Bytes from one credential to the next: a multiple of a cache line (SLAB_HWCACHE_ALIGN). */
const SIZE: number = Math.ceil(CRED.size / 64) * 64;

/**
 * Stores live credentials in a cache whose slabs have the key CRED, and credentials in preparation in ordinary memory (patch 6 of
 * the credentials series, RFC v2 of August 2025). The caller writes a prepared credential without a guard; protect_creds moves it.
 *
 * ```text
 *   prepare_creds ──> kmalloc-192 ──protect_creds──> cred_jar (key CRED) ──RCU──> free
 *                                    copy, kfree        ^
 *   prepare_protected_creds, copy_creds ────────────────┘
 * ```
 */
export class HardenedCredStore implements CredStore {
  /** `kpkeys_hardened_cred`: enters the context in which live credentials are writable. */
  readonly guard: Guard;
  private readonly slab: () => SlabAllocator;
  private readonly memory: () => KernelMemory;
  private jar: SlabCache | undefined;

  /**
   * @param container - the machine's container
   * @param kpkeys - its kpkeys API
   * @param warn - `WARN_ON`
   */
  constructor(
    container: DependencyContainer,
    private readonly kpkeys: Kpkeys,
    private readonly warn: (text: string) => void,
  ) {
    this.guard = kpkeys.guard("CRED");
    this.slab = lazily(container, SlabAllocator);
    this.memory = lazily(container, KernelMemory);
  }

  /** `cred_jar`, created on first use: `cred_init`. */
  cache(): SlabCache {
    return (this.jar ??= this.slab().createCache("cred_jar", { size: SIZE, pkey: "CRED" }));
  }

  alloc(): PhysAddr | undefined {
    return this.kpkeys.supported() ? this.slab().kmalloc(SIZE) : this.cache().alloc();
  }

  allocLive(): PhysAddr | undefined {
    return this.cache().alloc();
  }

  free(cred: PhysAddr): void {
    this.slab().kfree(cred);
  }

  protect(cred: PhysAddr): PhysAddr {
    if (!this.kpkeys.supported() || this.slab().cacheOf(cred) === this.cache() || !this.canMove(cred)) return cred;
    const live = this.cache().alloc();
    if (live === undefined) {
      this.warn(`cannot protect credential ${hex(cred)}: there is no free memory`);
      return cred;
    }
    const state = this.guard.enter();
    this.memory().copy(live, cred, CRED.size, "protect_creds");
    this.guard.exit(state);
    this.slab().kfree(cred);
    return live;
  }

  /** Whether a prepared credential can move: any second reference would keep the old address. */
  private canMove(cred: PhysAddr): boolean {
    const memory = this.memory();
    memory.load(toPhysAddr(cred + CRED.usage), "protect_creds");
    const usage = memory.valueLow;
    if (usage !== 1) this.warn(`cannot protect credential ${hex(cred)}: it has usage ${usage} and cannot move`);
    return usage === 1;
  }
}
