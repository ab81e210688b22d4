import { KpkeysError } from "@kpkeys/core";
import type { ExtensionPoints, Kpkeys, SlabAllocator } from "@kpkeys/core/contracts";
import { kernelBug } from "../kernel-bug.js";
import { createWriteGuard } from "../write-guard.js";
import { createSlabCache } from "./slab.js";
import type { KernelSlabCache, SlabParts } from "./slab.js";

/** Sizes of the caches of general use, in bytes: `kmalloc-8` to `kmalloc-8k`. */
const KMALLOC_SIZES = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192] as const;

/**
 * Makes the slab allocator: SLUB without CPU slabs, debugging and hardening of its free list.
 * @param parts - what caches are made with
 * @param kpkeys - the keys
 * @param extensions - the features that open slabs with keys for the allocator's own writes
 */
export function createSlabAllocator(
  parts: Omit<SlabParts, "writeGuard">,
  kpkeys: Kpkeys,
  extensions: ExtensionPoints,
): SlabAllocator {
  const writeGuard = createWriteGuard(
    extensions.handlers("slabInternalWrite"),
    extensions.handlers("slabInternalWriteDone"),
  );
  const caches: KernelSlabCache[] = [];
  const kmalloc = new Map<number, KernelSlabCache>();

  /** `SLAB_SET_PKEY` is cleared where it would mean nothing. */
  function create(name: string, bytes: number, pkey: number): KernelSlabCache {
    if (!Number.isSafeInteger(bytes) || bytes < 1 || bytes > 8192) {
      throw new KpkeysError("ERR_SPEC", `objects of ${bytes} bytes`, {
        where: `slab cache ${name}`,
        expected: "1 to 8192",
      });
    }
    const size = (bytes + 7) & ~7;
    const mergeable = caches.find((cache) => cache.size === size && cache.pkey === 0);
    if (pkey === 0 && mergeable !== undefined) return mergeable;
    const cache = createSlabCache(name, size, pkey, { ...parts, writeGuard });
    caches.push(cache);
    return cache;
  }

  function kmallocCache(bytes: number): KernelSlabCache {
    const size = KMALLOC_SIZES.find((each) => each >= bytes) ?? bytes;
    let cache = kmalloc.get(size);
    if (cache === undefined) {
      cache = create(`kmalloc-${size < 1024 ? size : `${size / 1024}k`}`, size, 0);
      kmalloc.set(size, cache);
    }
    return cache;
  }

  return {
    caches,
    createCache(name, { size, pkey = "DEFAULT" }) {
      const key = kpkeys.pkey(pkey);
      return create(name, size, kpkeys.supported() ? key : 0);
    },
    kmalloc: (bytes) => kmallocCache(bytes).alloc(),
    kfree(object) {
      const slab = parts.pages.slabOf(object);
      const cache = slab && caches.find((each) => each === slab.cache);
      if (slab === undefined || cache === undefined) {
        throw kernelBug("kfree", `0x${object.toString(16)} lies in no slab`, "what kmalloc gave");
      }
      cache.freeIn(slab, object);
    },
    cacheOf: (object) => parts.pages.slabOf(object)?.cache,
  };
}
