import type { PhysAddr, Pkey } from "../numbers.js";
import type { PkeyName } from "../kpkeys.js";
import type { Words } from "../pkey-register.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * The kernel's own loads and stores of its data. Objects are named by physical address, page-frame number times page size plus offset, and
 * reached at their address in the linear map, through the MMU of the current CPU with the current key register: an access that is
 * denied is an oops.
 *
 * All accesses are 64 bits wide, at addresses that are multiples of 8; all throw KpkeysError ERR_KERNEL_FAULT.
 */
export interface KernelMemory {
  /** Bytes of a page: an address is in the page `floor(address / pageBytes)`. */
  readonly pageBytes: number;
  /** Bits 63 to 32 of the word that the last {@link load} gave. */
  readonly valueHigh: number;
  /** Bits 31 to 0 of it. */
  readonly valueLow: number;
  /**
   * Where the linear map has a physical address.
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
   * @returns the physical address that it points to in the linear map, {@link NULL}, or `undefined` for what is no linear address of RAM
   */
  loadPointer(address: PhysAddr, doing: string): PhysAddr | undefined;
  /**
   * Stores a pointer: the address in the linear map.
   * @param address - physical address of the pointer
   * @param target - physical address that it is to point to; or {@link NULL}
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

/** What a slab cache is made of. */
export interface SlabCacheOptions {
  /** Bytes of an object, 1 to 8192; rounded up to a multiple of 8. */
  readonly size: number;
  /**
   * The key that its slabs get: `SLAB_SET_PKEY`. Such a cache is never merged with another. Without meaning for `DEFAULT`, and on a CPU
   * without kernel pkeys.
   */
  readonly pkey?: PkeyName;
}

/** A cache of objects of one size: `kmem_cache`. */
export interface SlabCache {
  /** Its name in `/proc/slabinfo`; of merged caches that of the first. */
  readonly name: string;
  /** Bytes from one object to the next. */
  readonly size: number;
  /** The key of its slabs, 0 when they have none. */
  readonly pkey: Pkey;
  /** Objects handed out and not given back. */
  readonly objectsInUse: number;
  /** Slabs that it has, empty ones too. */
  readonly slabs: number;
  /**
   * Takes an object, whose content is whatever was there.
   * @returns its physical address (page-frame number times page size plus offset), or `undefined` when there is no memory
   */
  alloc(): PhysAddr | undefined;
  /**
   * Gives an object back.
   * @param object - what {@link alloc} gave
   * @throws KpkeysError ERR_KERNEL_BUG for what is no object of this cache, or is free already
   */
  free(object: PhysAddr): void;
  /** `kmem_cache_shrink`: gives the pages of empty slabs back, of which a cache otherwise keeps some. */
  shrink(): void;
}

/**
 * The slab allocator. Objects lie in pages of the linear map, and the list of a slab's free objects runs through the objects
 * themselves: every allocation and every free reads or writes an object, by the rights of that moment.
 */
export interface SlabAllocator {
  /**
   * `kmem_cache_create`.
   * @param name - its name
   * @param options - size and key
   * @returns a new cache, or an older one of the same size where neither has a key: `slab_merge`
   * @throws KpkeysError ERR_PKEY_UNKNOWN for a key that nobody registered, ERR_SPEC for a size out of range
   */
  createCache(name: string, options: SlabCacheOptions): SlabCache;
  /**
   * `kmalloc`: takes memory of the cache of the next size of general use (`kmalloc-192`).
   * @param bytes - 1 to 8192
   * @returns its physical address, or `undefined` when there is no memory
   */
  kmalloc(bytes: number): PhysAddr | undefined;
  /** `kfree`. @param object - an object of any cache @throws KpkeysError as {@link SlabCache.free} */
  kfree(object: PhysAddr): void;
  /**
   * The cache that an object belongs to: `virt_to_cache`.
   * @param object - a physical address
   * @returns `undefined` for an address outside of all slabs
   */
  cacheOf(object: PhysAddr): SlabCache | undefined;
  /** All caches, in the order in which they were created. */
  readonly caches: readonly SlabCache[];
}

/** Token of {@link SlabAllocator}. */
export const SlabAllocator: Token<SlabAllocator> = token("SlabAllocator");
