import { KpkeysError } from "@kpkeys/core";
import type { KernelMemory, SlabCache } from "@kpkeys/core/contracts";
import { kernelBug } from "../kernel-bug.js";
import type { WriteGuard } from "../write-guard.js";
import type { SlabPages } from "./slab-pages.js";

/** A run of pages cut into objects: `struct slab`. Its description lies in the vmemmap, which is not modelled; its free list is. */
export interface Slab {
  /** Physical address of its first byte. */
  readonly start: number;
  /** The cache that it belongs to. */
  readonly cache: SlabCache;
  /** Physical address of the first free object, 0 when there is none: `slab->freelist`. */
  free: number;
  /** Objects handed out. */
  inUse: number;
}

/** What a cache is made with. */
export interface SlabParts {
  /** The kernel's accesses of objects. */
  readonly memory: KernelMemory;
  /** Pages of slabs. */
  readonly pages: SlabPages;
  /** Runs around writes inside a slab with a key: `kpkeys_slab_write(s)`. */
  readonly writeGuard: WriteGuard<[pkey: number]>;
}

/** Bounds of the number of empty slabs that a cache keeps (`MIN_PARTIAL`, `MAX_PARTIAL` of SLUB). */
const MIN_PARTIAL = 5;
const MAX_PARTIAL = 10;

/** Largest order of a slab (`slub_max_order`). */
const MAX_ORDER = 3;

/**
 * The order of a cache's slabs: the least that leaves no more than a sixteenth unused, or else an eighth, or else a quarter
 * (`calculate_order`, without a least number of objects).
 */
function orderOf(size: number, pageBytes: number): number {
  for (const part of [16, 8, 4, 2]) {
    for (let order = 0; order <= MAX_ORDER; order++) {
      const bytes = pageBytes << order;
      if (bytes >= size && bytes % size <= bytes / part) return order;
    }
  }
  throw new KpkeysError("ERR_SPEC", `slab objects of ${size} bytes`, { expected: "1 to 8192" });
}

/** A cache as the allocator keeps it. */
export interface KernelSlabCache extends SlabCache {
  /**
   * Gives an object of a slab back.
   * @param slab - where it lies
   * @param object - its physical address
   */
  freeIn(slab: Slab, object: number): void;
}

/**
 * Makes a cache. The free objects of a slab form a list, last freed first, whose links are linear-map addresses in the middle of
 * each object, as SLUB has it since 5.7.
 *
 * ```text
 *   slab.free ──> | object ...... next ─┼──> | object ...... next = 0 |
 *                             ^ size / 2
 * ```
 * Slabs with objects in use and objects free wait in the partial list; full ones in none; empty ones stay in it up to a bound.
 *
 * @param name - its name
 * @param size - bytes from one object to the next, a multiple of 8
 * @param pkey - the key of its slabs, 0 without
 * @param parts - what it is made with
 */
export function createSlabCache(
  name: string,
  size: number,
  pkey: number,
  { memory, pages, writeGuard }: SlabParts,
): KernelSlabCache {
  const { pageBytes } = memory;
  const order = orderOf(size, pageBytes);
  const objects = Math.floor((pageBytes << order) / size);
  const link = (size >> 1) & ~7;
  const minPartial = Math.min(MAX_PARTIAL, Math.max(MIN_PARTIAL, Math.floor(Math.log2(size) / 2)));
  const partial: Slab[] = [];

  function writeLink(object: number, next: number): void {
    memory.storePointer(object + link, next, "set_freepointer");
  }

  function readLink(object: number): number {
    const next = memory.loadPointer(object + link, "get_freepointer");
    if (next < 0) throw kernelBug("get_freepointer", `the free list of ${name} is corrupted`, "an object of the slab");
    return next;
  }

  /** `allocate_slab`: pages, their key, and the list through all objects, the first one first. */
  function newSlab(): Slab | undefined {
    const start = pages.take(order, pkey);
    if (start < 0) return undefined;
    const slab: Slab = { start, cache, free: start, inUse: 0 };
    if (pkey !== 0) writeGuard.enter(pkey);
    for (let i = 1; i <= objects; i++) writeLink(start + (i - 1) * size, i < objects ? start + i * size : 0);
    if (pkey !== 0) writeGuard.exit();
    pages.describe(slab, order);
    cache.slabs++;
    partial.push(slab);
    return slab;
  }

  /** `discard_slab`. */
  function discard(slab: Slab): void {
    partial.splice(partial.indexOf(slab), 1);
    pages.giveBack(slab, order, pkey);
    cache.slabs--;
  }

  function alloc(): number {
    const slab = partial.at(-1) ?? newSlab();
    if (slab === undefined) return -1;
    const object = slab.free;
    slab.free = readLink(object);
    slab.inUse++;
    cache.objectsInUse++;
    if (slab.free === 0) partial.pop();
    return object;
  }

  /** A second free of the object that was freed last is what SLUB sees without debugging (`set_freepointer`, naive detection). */
  function freeIn(slab: Slab, object: number): void {
    if ((object - slab.start) % size !== 0 || object === slab.free || slab.inUse === 0) {
      throw kernelBug("kmem_cache_free", `0x${object.toString(16)} is no object of ${name} in use`, "what alloc gave");
    }
    if (pkey !== 0) writeGuard.enter(pkey);
    writeLink(object, slab.free);
    if (pkey !== 0) writeGuard.exit();
    if (slab.free === 0) partial.push(slab);
    slab.free = object;
    slab.inUse--;
    cache.objectsInUse--;
    if (slab.inUse === 0 && partial.length > minPartial) discard(slab);
  }

  const cache: { -readonly [F in keyof KernelSlabCache]: KernelSlabCache[F] } = {
    name,
    size,
    pkey,
    objectsInUse: 0,
    slabs: 0,
    alloc,
    free(object) {
      const slab = pages.slabOf(object);
      if (slab?.cache !== cache) {
        throw kernelBug("kmem_cache_free", `0x${object.toString(16)} is no object of ${name}`, "one of its own");
      }
      freeIn(slab, object);
    },
    freeIn,
    shrink() {
      for (const slab of partial.filter(({ inUse }) => inUse === 0)) discard(slab);
    },
  };
  return cache;
}
