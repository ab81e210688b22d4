import { hex, KpkeysError } from "@kpkeys/core";
import { NULL, toPhysAddr } from "@kpkeys/core/contracts";
import type { KernelMemory, PhysAddr, Pkey, SlabCache } from "@kpkeys/core/contracts";
import { kernelBug } from "../machine/kernel-bug.js";
import type { WriteGuard } from "./write-guard.js";
import type { Slab, SlabPages } from "./slab-pages.js";

/** The services of a cache. */
export interface SlabParts {
  /** The kernel's accesses of objects. */
  readonly memory: KernelMemory;
  /** Pages of slabs. */
  readonly pages: SlabPages;
  /** Runs around writes inside a slab with a key: `kpkeys_slab_write(s)`. */
  readonly writeGuard: WriteGuard<[pkey: Pkey]>;
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

/**
 * A cache. The free objects of a slab form a list, last freed first, whose links are linear-map addresses in the middle of each object,
 * as in SLUB since 5.7.
 *
 * ```text
 *   slab.free ──> | object ...... next ─┼──> | object ...... next = 0 |
 *                             ^ size / 2
 * ```
 * Slabs with objects in use and free objects are in the partial list; full ones in no list; empty ones stay in it up to a bound.
 */
export class KernelSlabCache implements SlabCache {
  objectsInUse = 0;
  slabs = 0;
  private readonly order: number;
  /** Objects of a slab. */
  private readonly objects: number;
  /** Offset of the link in a free object. */
  private readonly link: number;
  private readonly minPartial: number;
  private readonly partial: Slab[] = [];

  /**
   * @param name - its name
   * @param size - bytes from one object to the next, a multiple of 8
   * @param pkey - the key of its slabs, 0 without
   * @param parts - its services
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
      throw kernelBug("kmem_cache_free", `${hex(object)} is no object of ${this.name}`, "one of its own");
    }
    this.freeIn(slab, object);
  }

  /**
   * Gives an object of a slab back. A second free of the object that was freed last is detected, as SLUB does without debugging
   * (`set_freepointer`, naive detection).
   * @param slab - the object's slab
   * @param object - its physical address
   */
  freeIn(slab: Slab, object: PhysAddr): void {
    if ((object - slab.start) % this.size !== 0 || object === slab.free || slab.inUse === 0) {
      const what = `${hex(object)} is no object of ${this.name} in use`;
      throw kernelBug("kmem_cache_free", what, "what alloc gave");
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

  /** `allocate_slab`: pages, their key, and the list through all objects, the first one first. */
  private newSlab(): Slab | undefined {
    const { pages } = this.parts;
    const start = pages.take(this.order, this.pkey);
    if (start === undefined) return undefined;
    const slab: Slab = { start, cache: this, free: start, inUse: 0 };
    this.write(() => {
      for (let i = 1; i <= this.objects; i++) {
        const next = i < this.objects ? toPhysAddr(start + i * this.size) : NULL;
        this.writeLink(toPhysAddr(start + (i - 1) * this.size), next);
      }
    });
    pages.describe(slab, this.order);
    this.slabs++;
    this.partial.push(slab);
    return slab;
  }

  /** `discard_slab`. */
  private discard(slab: Slab): void {
    this.partial.splice(this.partial.indexOf(slab), 1);
    this.parts.pages.giveBack(slab, this.order, this.pkey);
    this.slabs--;
  }

  /** Writes inside a slab, within the guard of its key. */
  private write(links: () => void): void {
    const { writeGuard } = this.parts;
    if (this.pkey !== 0) writeGuard.enter(this.pkey);
    links();
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
