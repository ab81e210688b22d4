import type { PhysAddr, Pkey } from "../numbers.js";
import type { PkeyName } from "../kpkeys.js";
import type { Words } from "../pkey-register.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * Loads and stores of kernel data. Objects are identified by physical address and accessed at their address in the linear map, through the
 * MMU of the current CPU with the current key register. A denied access is an oops.
 *
 * All accesses are 64 bits wide, at addresses that are multiples of 8; all throw KpkeysError ERR_KERNEL_FAULT.
 */
export interface KernelMemory {
  /** Bytes of a page: an address is in the page `floor(address / pageBytes)`. */
  readonly pageBytes: number;
  /** Bits 63 to 32 of the word of the last {@link load}. */
  readonly valueHigh: number;
  /** Bits 31 to 0 of it. */
  readonly valueLow: number;
  /**
   * The address of a physical address in the linear map.
   * @param address - physical address, inside RAM
   */
  linearAddress(address: PhysAddr): Words;
  /**
   * Loads a word into {@link valueHigh} and {@link valueLow}.
   * @param address - physical address
   * @param doing - the kernel function, for the oops
   */
  load(address: PhysAddr, doing: string): void;
  /**
   * Stores a word.
   * @param address - physical address
   * @param high - bits 63 to 32 of the value
   * @param low - bits 31 to 0 of the value
   * @param doing - the kernel function, for the oops
   */
  store(address: PhysAddr, high: number, low: number, doing: string): void;
  /**
   * Loads a pointer.
   * @param address - physical address of the pointer
   * @param doing - the kernel function, for the oops
   * @returns the physical address that it points to in the linear map; {@link NULL}; `undefined` if it is not a linear address of RAM
   */
  loadPointer(address: PhysAddr, doing: string): PhysAddr | undefined;
  /**
   * Stores a pointer: the address in the linear map.
   * @param address - physical address of the pointer
   * @param target - physical address that it points to, or {@link NULL}
   * @param doing - the kernel function, for the oops
   */
  storePointer(address: PhysAddr, target: PhysAddr, doing: string): void;
  /**
   * `memcpy`, word by word.
   * @param to - physical address
   * @param from - physical address
   * @param bytes - a multiple of 8; neither range crosses the end of its run of pages
   * @param doing - the kernel function, for the oops
   */
  copy(to: PhysAddr, from: PhysAddr, bytes: number, doing: string): void;
}

/** Token of {@link KernelMemory}. */
export const KernelMemory: Token<KernelMemory> = token("KernelMemory");

/** Options of a slab cache. */
export interface SlabCacheOptions {
  /** Bytes of an object, 1 to 8192; rounded up to a multiple of 8. */
  readonly size: number;
  /**
   * The key of its slabs: `SLAB_SET_PKEY`. Such a cache is never merged with another. No effect for `DEFAULT` and on a CPU without kernel
   * pkeys.
   */
  readonly pkey?: PkeyName;
}

/** A cache of objects of one size: `kmem_cache`. */
export interface SlabCache {
  /** Its name in `/proc/slabinfo`; merged caches have the name of the first. */
  readonly name: string;
  /** Bytes from one object to the next. */
  readonly size: number;
  /** The key of its slabs; 0 without a key. */
  readonly pkey: Pkey;
  /** Number of allocated objects. */
  readonly objectsInUse: number;
  /** Number of its slabs, including empty ones. */
  readonly slabs: number;
  /**
   * Allocates an object. Its content is undefined.
   * @returns its physical address; `undefined` without memory
   */
  alloc(): PhysAddr | undefined;
  /**
   * Frees an object.
   * @param object - the result of {@link alloc}
   * @throws KpkeysError ERR_KERNEL_BUG for an address that is not an object of this cache, and for a free object
   */
  free(object: PhysAddr): void;
  /** `kmem_cache_shrink`: frees the pages of all empty slabs. Otherwise a cache keeps some of them. */
  shrink(): void;
}

/**
 * The slab allocator. Objects are in pages of the linear map. The free list of a slab is stored in its free objects, so each allocation
 * reads an object and each free writes one, with the current rights. For writes to a slab with a key, the handlers of
 * `slabInternalWrite` can grant rights.
 */
export interface SlabAllocator {
  /**
   * `kmem_cache_create`.
   * @param name - its name
   * @param options - size and key
   * @returns a new cache, or an existing one of the same size if neither has a key: `slab_merge`
   * @throws KpkeysError ERR_PKEY_UNKNOWN for a key that is not registered, ERR_SPEC for a size out of range
   */
  createCache(name: string, options: SlabCacheOptions): SlabCache;
  /**
   * `kmalloc`: allocates from the kmalloc cache of the next larger size (`kmalloc-192`).
   * @param bytes - 1 to 8192
   * @returns its physical address; `undefined` without memory
   */
  kmalloc(bytes: number): PhysAddr | undefined;
  /** `kfree`. @param object - an object of any cache @throws KpkeysError as {@link SlabCache.free} */
  kfree(object: PhysAddr): void;
  /**
   * The cache that an object belongs to: `virt_to_cache`.
   * @param object - a physical address
   * @returns the cache; `undefined` for an address outside all slabs
   */
  cacheOf(object: PhysAddr): SlabCache | undefined;
  /** All caches, in the order in which they were created. */
  readonly caches: readonly SlabCache[];
}

/** Token of {@link SlabAllocator}. */
export const SlabAllocator: Token<SlabAllocator> = token("SlabAllocator");
