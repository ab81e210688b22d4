import { hex, KpkeysError } from "@kpkeys/core";
import { NULL, toPhysAddr } from "@kpkeys/core/contracts";
import type { KernelMemory, PhysAddr, Pkey, SlabCache } from "@kpkeys/core/contracts";
import { kernelBug } from "../machine/errors.js";
import type { WriteGuard } from "./write-guard.js";
import type { Slab, SlabPages, SlabSource } from "./slab-pages.js";

/** The services of a cache. */
export interface SlabParts {
  /** The kernel's accesses to objects. */
  readonly memory: KernelMemory;
  /** The slab that each page belongs to. */
  readonly pages: SlabPages;
  /** Allocates the pages of slabs. */
  readonly source: SlabSource;
  /** Guards writes inside a slab with a key: `kpkeys_slab_write(s)`. */
  readonly writeGuard: WriteGuard<[pkey: Pkey]>;
}

/** Minimum and maximum of a cache's bound on partial slabs (`MIN_PARTIAL`, `MAX_PARTIAL` of SLUB). */
const MIN_PARTIAL = 5;
const MAX_PARTIAL = 10;

/** Largest order of a slab (`slub_max_order`). */
const MAX_ORDER = 3;

/**
 * The order of a cache's slabs: the smallest order that wastes at most 1/16 of a slab, else at most 1/8, 1/4 or 1/2
 * (`calculate_order` without a minimum number of objects).
 */
function orderOf(size: number, pageBytes: number): number {
  for (const part of [16, 8, 4, 2]) {
    for (let order = 0; order <= MAX_ORDER; order++) {
      const bytes = pageBytes << order;
      if (bytes >= size && bytes % size <= bytes / part) return order;
    }
  }
  throw new KpkeysError("ERR_SPEC", `cannot place objects of ${size} bytes in a slab`, { expected: "1 to 8192 bytes" });
}

/**
 * A cache: `kmem_cache`. The free objects of a slab form a list, last freed first. The link is a linear-map address in the middle of
 * the object, as in SLUB since 5.7.
 *
 * ```text
 *   slab.free ──> | object ...... next ─┼──> | object ...... next = 0 |
 *                             ^ size / 2
 * ```
 * The partial list holds the slabs with free objects. Empty slabs stay in it up to a bound.
 */
export class KernelSlabCache implements SlabCache {
  objectsInUse = 0;
  slabs = 0;
  private readonly order: number;
  /** Number of objects of a slab. */
  private readonly objects: number;
  /** Offset of the link in a free object. */
  private readonly link: number;
  private readonly minPartial: number;
  private readonly partial: Slab[] = [];

  /**
   * @param name - name of the cache
   * @param size - size of an object in bytes, a multiple of 8
   * @param pkey - key of its slabs; 0 for none
   * @param parts - services
   */
  constructor(
    readonly name: string,
    readonly size: number,
    readonly pkey: Pkey,
    private readonly parts: SlabParts,
  ) {
    const { pageBytes } = parts.memory;
    this.order = orderOf(size, pageBytes);
    this.objects = Math.floor((pageBytes << this.order) / size);
    this.link = (size >> 1) & ~7;
    this.minPartial = Math.min(MAX_PARTIAL, Math.max(MIN_PARTIAL, Math.floor(Math.log2(size) / 2)));
  }

  alloc(): PhysAddr | undefined {
    const slab = this.partial.at(-1) ?? this.newSlab();
    if (slab === undefined) return undefined;
    const object = slab.free;
    slab.free = this.readLink(object);
    slab.inUse++;
    this.objectsInUse++;
    if (slab.free === NULL) this.partial.pop();
    return object;
  }

  free(object: PhysAddr): void {
    const slab = this.parts.pages.slabOf(object);
    if (slab?.cache !== this) {
      throw kernelBug("kmem_cache_free", `${hex(object)} is not an object of ${this.name}`, "an object of the cache");
    }
    this.freeIn(slab, object);
  }

  /**
   * Frees an object of a slab. Detects a double free of the object that was freed last, like SLUB without debugging
   * (`set_freepointer`, naive detection).
   * @param slab - the object's slab
   * @param object - its physical address
   */
  freeIn(slab: Slab, object: PhysAddr): void {
    if ((object - slab.start) % this.size !== 0 || object === slab.free || slab.inUse === 0) {
      const what = `${hex(object)} is not an allocated object of ${this.name}`;
      throw kernelBug("kmem_cache_free", what, "an object that kmem_cache_alloc returned");
    }
    this.write(() => {
      this.writeLink(object, slab.free);
    });
    if (slab.free === NULL) this.partial.push(slab);
    slab.free = object;
    slab.inUse--;
    this.objectsInUse--;
    if (slab.inUse === 0 && this.partial.length > this.minPartial) this.discard(slab);
  }

  shrink(): void {
    for (const slab of this.partial.filter(({ inUse }) => inUse === 0)) this.discard(slab);
  }

  /** `allocate_slab`: allocates pages and links all objects, the first one first. */
  private newSlab(): Slab | undefined {
    const { pages, source } = this.parts;
    const start = source.alloc(this.order, this.pkey);
    if (start === undefined) return undefined;
    const slab: Slab = { start, cache: this, free: start, inUse: 0 };
    this.write(() => {
      for (let i = 1; i <= this.objects; i++) {
        const next = i < this.objects ? toPhysAddr(start + i * this.size) : NULL;
        this.writeLink(toPhysAddr(start + (i - 1) * this.size), next);
      }
    });
    pages.register(slab, this.order);
    this.slabs++;
    this.partial.push(slab);
    return slab;
  }

  /** `discard_slab`. */
  private discard(slab: Slab): void {
    this.partial.splice(this.partial.indexOf(slab), 1);
    this.parts.pages.unregister(slab, this.order);
    this.parts.source.free(slab, this.order, this.pkey);
    this.slabs--;
  }

  /** Runs writes inside a slab within the guard of its key. */
  private write(writes: () => void): void {
    const { writeGuard } = this.parts;
    if (this.pkey !== 0) writeGuard.enter(this.pkey);
    writes();
    if (this.pkey !== 0) writeGuard.exit();
  }

  private writeLink(object: PhysAddr, next: PhysAddr): void {
    this.parts.memory.storePointer(toPhysAddr(object + this.link), next, "set_freepointer");
  }

  private readLink(object: PhysAddr): PhysAddr {
    const next = this.parts.memory.loadPointer(toPhysAddr(object + this.link), "get_freepointer");
    if (next !== undefined) return next;
    throw kernelBug("get_freepointer", `the free list of ${this.name} is corrupted`, "an object of the slab");
  }
}
