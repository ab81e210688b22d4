import { hex, lazily } from "@kpkeys/core";
import { CRED, KernelMemory, SlabAllocator, toPhysAddr } from "@kpkeys/core/contracts";
import type { CredStore, DependencyContainer, Guard, Kpkeys, PhysAddr, SlabCache } from "@kpkeys/core/contracts";

/** Bytes from one credential to the next: a multiple of a cache line (SLAB_HWCACHE_ALIGN). */
const SIZE: number = Math.ceil(CRED.size / 64) * 64;

/** {@link CredStore} with what the claim needs. */
export interface HardenedStore extends CredStore {
  /** Makes `cred_jar`: `cred_init`. */
  init(): void;
}

/**
 * Keeps live credentials in a cache of which every slab has the key CRED, and those in preparation in ordinary memory (patch 6 of
 * the credentials series, RFC v2 of August 2025). What is prepared is written freely by whoever prepares it; going live it moves.
 *
 * ```text
 *   prepare_creds ──> kmalloc-192 ──protect_creds──> cred_jar (key CRED) ──RCU──> free
 *                                    copy, kfree        ^
 *   prepare_protected_creds, copy_creds ────────────────┘
 * ```
 * @param container - the machine's container
 * @param kpkeys - its kpkeys API
 * @param guard - `kpkeys_hardened_cred`: opens live credentials
 * @param warnOn - `WARN_ON`
 */
export function createHardenedStore(
  container: DependencyContainer,
  kpkeys: Kpkeys,
  guard: Guard,
  warnOn: (condition: boolean, text: string) => void,
): HardenedStore {
  const findSlab = lazily(container, SlabAllocator);
  const findMemory = lazily(container, KernelMemory);
  let jar: SlabCache | undefined;

  function cache(): SlabCache {
    return (jar ??= findSlab().createCache("cred_jar", { size: SIZE, pkey: "CRED" }));
  }

  /** Whether a prepared credential can move: whoever else refers to it would keep the old address. */
  function mayMove(cred: PhysAddr): boolean {
    const memory = findMemory();
    memory.load(toPhysAddr(cred + CRED.usage), "protect_creds");
    const usage = memory.valueLow;
    warnOn(usage !== 1, `the credential ${hex(cred)} has usage ${usage}: it stays where it is, unprotected`);
    return usage === 1;
  }

  return {
    guard,
    init: () => void cache(),
    alloc: () => (kpkeys.supported() ? findSlab().kmalloc(SIZE) : cache().alloc()),
    allocLive: () => cache().alloc(),
    free(cred) {
      findSlab().kfree(cred);
    },
    protect(cred) {
      if (!kpkeys.supported() || findSlab().cacheOf(cred) === cache() || !mayMove(cred)) return cred;
      const live = cache().alloc();
      warnOn(live === undefined, `no memory to protect the credential ${hex(cred)}: it stays unprotected`);
      if (live === undefined) return cred;
      const state = guard.enter();
      findMemory().copy(live, cred, CRED.size, "protect_creds");
      guard.exit(state);
      findSlab().kfree(cred);
      return live;
    },
  };
}
