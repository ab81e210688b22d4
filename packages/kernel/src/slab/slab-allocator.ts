import { hex, inject, injectable, KpkeysError } from "@kpkeys/core";
import { ExtensionPoints, KernelMemory, Kpkeys, toPkey } from "@kpkeys/core/contracts";
import type { PhysAddr, Pkey, PkeyName, SlabAllocator, SlabCache } from "@kpkeys/core/contracts";
import { kernelBug } from "../machine/errors.js";
import { WriteGuard } from "./write-guard.js";
import { KernelSlabCache } from "./slab.js";
import { SlabPages } from "./slab-pages.js";

/** Object sizes of the kmalloc caches in bytes: `kmalloc-8` to `kmalloc-8k`. */
const KMALLOC_SIZES = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192] as const;

/** The slab allocator: SLUB without CPU slabs, debugging and free-list hardening. */
@injectable()
export class KernelSlabAllocator implements SlabAllocator {
  readonly caches: KernelSlabCache[] = [];
  /** The caches with which others are merged: those without a key that {@link createCache} or {@link kmalloc} made. */
  private readonly mergeable: KernelSlabCache[] = [];
  private readonly kmallocCaches = new Map<number, KernelSlabCache>();
  private readonly writeGuard: WriteGuard<[pkey: Pkey]>;

  constructor(
    @inject(KernelMemory) private readonly memory: KernelMemory,
    @inject(SlabPages) private readonly pages: SlabPages,
    @inject(Kpkeys) private readonly kpkeys: Kpkeys,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
  ) {
    this.writeGuard = new WriteGuard(
      extensions.handlers("slabInternalWrite"),
      extensions.handlers("slabInternalWriteDone"),
    );
  }

  createCache(
    name: string,
    { size, pkey = "DEFAULT" }: { readonly size: number; readonly pkey?: PkeyName },
  ): KernelSlabCache {
    const key = this.kpkeys.pkey(pkey);
    // SLAB_SET_PKEY is cleared if keys are not supported.
    return this.create(name, size, toPkey(this.kpkeys.supported() ? key : 0));
  }

  /** Adds a cache with its own source of slabs. No other cache is merged with it. @param cache - the cache */
  add(cache: KernelSlabCache): void {
    this.caches.push(cache);
  }

  kmalloc(bytes: number): PhysAddr | undefined {
    return this.kmallocCache(bytes).alloc();
  }

  kfree(object: PhysAddr): void {
    const slab = this.pages.slabOf(object);
    const cache = slab && this.caches.find((each) => each === slab.cache);
    if (slab === undefined || cache === undefined) {
      throw kernelBug("kfree", `${hex(object)} is not in a slab`, "an object that kmalloc returned");
    }
    cache.freeIn(slab, object);
  }

  cacheOf(object: PhysAddr): SlabCache | undefined {
    return this.pages.slabOf(object)?.cache;
  }

  private create(name: string, bytes: number, pkey: Pkey): KernelSlabCache {
    if (!Number.isSafeInteger(bytes) || bytes < 1 || bytes > 8192) {
      throw new KpkeysError("ERR_SPEC", `cannot create a cache with objects of ${bytes} bytes`, {
        where: `slab cache ${name}`,
        expected: "1 to 8192 bytes",
      });
    }
    const size = (bytes + 7) & ~7;
    const older = this.mergeable.find((cache) => cache.size === size);
    if (pkey === 0 && older !== undefined) return older;
    const { memory, pages, writeGuard } = this;
    const cache = new KernelSlabCache(name, size, pkey, { memory, pages, source: pages, writeGuard });
    if (pkey === 0) this.mergeable.push(cache);
    this.add(cache);
    return cache;
  }

  private kmallocCache(bytes: number): KernelSlabCache {
    const size = KMALLOC_SIZES.find((each) => each >= bytes) ?? bytes;
    let cache = this.kmallocCaches.get(size);
    if (cache === undefined) {
      cache = this.create(`kmalloc-${size < 1024 ? size : `${size / 1024}k`}`, size, toPkey(0));
      this.kmallocCaches.set(size, cache);
    }
    return cache;
  }
}
