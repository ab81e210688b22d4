import type { Words } from "../pkey-register.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/** The errno values that kernel services return, negative as in the kernel. */
export const Errno = {
  /** Out of memory. */
  ENOMEM: -12,
  /** Bad address. */
  EFAULT: -14,
  /** A mapping exists already. */
  EEXIST: -17,
  /** Invalid argument. */
  EINVAL: -22,
} as const;

/** The linear map, the map of struct pages and the kernel image: where a page can be found. */
export interface LinearMap {
  /**
   * Bits 63 to 32 of the linear address of a page.
   * @param pfn - page-frame number
   */
  addressHigh(pfn: number): number;
  /**
   * Bits 31 to 0 of the linear address of a page.
   * @param pfn - page-frame number
   */
  addressLow(pfn: number): number;
  /**
   * The page behind a linear address: `virt_to_page`. An address tag in bits 63:56 is no part of it: remove it first.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   * @returns a page-frame number, or -1 outside the linear map
   */
  pfnOf(high: number, low: number): number;
  /**
   * Address of the struct page of a page, in the vmemmap.
   * @param pfn - page-frame number
   */
  structPage(pfn: number): Words;
  /** An address in the kernel image's data: that of `init_mm`. */
  imageAddress(): Words;
  /** Whether all of the linear map consists of pages. */
  readonly pteMapped: boolean;
}

/** Token of {@link LinearMap}. */
export const LinearMap: Token<LinearMap> = token("LinearMap");

/** Changes of attributes in the linear map and in vmalloc areas. */
export interface SetMemory {
  /** What it did so far. */
  readonly counters: {
    /** Calls of {@link setMemoryPkey} that changed something. */
    pkeyCalls: number;
    /** Pages whose key they set. */
    pkeyPages: number;
  };
  /**
   * `set_memory_pkey`: gives pages of the linear map a key, in the entries themselves, and invalidates their translations.
   * Nothing, and success, on a CPU without kernel pkeys.
   * @param high - bits 63 to 32 of the first page's linear address; an address tag is removed
   * @param low - bits 31 to 0
   * @param pages - number of 4 KiB pages
   * @param pkey - the key's number
   * @returns 0; -EINVAL for a key beyond the last or an address outside the linear map; -ENOMEM when a block cannot be split
   */
  setMemoryPkey(high: number, low: number, pages: number, pkey: number): number;
  /**
   * Gives pages of the kernel image's own mapping a key: the second alias of static tables, which the linear map does not
   * reach. No version of the series has it.
   * @param pfn - first page-frame number, inside the image
   * @param pages - number of 4 KiB pages
   * @param pkey - the key's number
   * @returns as {@link setMemoryPkey}
   */
  setImagePkey(pfn: number, pages: number, pkey: number): number;
  /**
   * `set_direct_map_invalid_noflush`: makes a page's linear mapping invalid, its address kept.
   * @param pfn - page-frame number
   * @returns 0 or a negative errno
   */
  setDirectMapInvalid(pfn: number): number;
  /**
   * `set_direct_map_default_noflush`: makes it valid and writable again.
   * @param pfn - page-frame number
   * @returns 0 or a negative errno
   */
  setDirectMapDefault(pfn: number): number;
}

/** Token of {@link SetMemory}. */
export const SetMemory: Token<SetMemory> = token("SetMemory");

/** Memory that is contiguous in kernel addresses only. */
export interface Vmalloc {
  /**
   * `vmalloc`: maps fresh pages, page by page, with a guard page behind.
   * @param pages - number of 4 KiB pages, at least 1
   * @returns its first virtual page number (address >> 12), or -1 when there is no memory
   */
  alloc(pages: number): number;
  /**
   * `vfree`.
   * @param page - what {@link alloc} gave
   */
  free(page: number): void;
}

/** Token of {@link Vmalloc}. */
export const Vmalloc: Token<Vmalloc> = token("Vmalloc");

/** Static table pages of the kernel image, as a feature protects them. */
export interface StaticTablePages {
  /** Runs of pages that are to get a key, with the symbol of each. */
  readonly keyed: readonly StaticTableRun[];
}

/** A run of static table pages. */
export interface StaticTableRun {
  /** Linux's symbol. */
  readonly symbol: string;
  /** First page-frame number. */
  readonly pfn: number;
  /** Number of pages. */
  readonly pages: number;
}

/** Token of {@link StaticTablePages}. */
export const StaticTablePages: Token<StaticTablePages> = token("StaticTablePages");
