import type { Errno } from "../errno.js";
import type { Pfn, Pkey, Vpn } from "../numbers.js";
import type { Words } from "../pkey-register.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/** The leaves of one size. */
export interface LeafCount {
  /** Bytes that each maps: 4 KiB, 2 MiB, 1 GiB where pages are of 4 KiB. */
  readonly bytes: number;
  /** How many there are. */
  readonly count: number;
}

/** Of what the linear map consists. */
export interface LinearMapStats {
  /** Table pages below the top level that translate the linear map. */
  readonly tables: number;
  /** Its leaves by size, the largest first; a size that has no leaf is there too. */
  readonly leaves: readonly LeafCount[];
  /** Blocks split so far, of all sizes. Each took one table page. */
  readonly splits: number;
  /** Bytes that 1,024 TLB entries cover on average: so many leaves of mean size, and no more than there is RAM. */
  readonly tlbReach: number;
}

/** The linear map, the map of struct pages and the kernel image: where a page can be found. */
export interface LinearMap {
  /**
   * The virtual page of a page frame: `page_to_virt`.
   * @param pfn - page-frame number
   */
  pageOf(pfn: Pfn): Vpn;
  /**
   * An address in a page frame, in the words that a {@link Cpu} takes.
   * @param pfn - page-frame number
   * @param offset - bytes from the start of the page, 0 if left out
   */
  address(pfn: Pfn, offset?: number): Words;
  /**
   * The page frame of a virtual page: `virt_to_page`. An address tag in bits 63:56 is not removed.
   * @param page - virtual page
   * @returns a page-frame number, or `undefined` outside the linear map
   */
  pfnOf(page: Vpn): Pfn | undefined;
  /**
   * Address of the struct page of a page, in the vmemmap.
   * @param pfn - page-frame number
   */
  structPage(pfn: Pfn): Words;
  /** An address in the kernel image's data: that of `init_mm`. */
  imageAddress(): Words;
  /** Whether all of the linear map consists of pages, which is so from the start or once every block was split. */
  readonly pteMapped: boolean;
  /** Of what it consists now. */
  stats(): LinearMapStats;
}

/** Token of {@link LinearMap}. */
export const LinearMap: Token<LinearMap> = token("LinearMap");

/**
 * Changes of attributes in the linear map and in vmalloc areas. A change that covers a part of a block of the linear map splits the
 * block first, each part mapping what it mapped before. What is refused leaves every translation and every attribute as it was.
 *
 * Errors that all changes share: -EINVAL where an address of the range is not mapped, and where a block would have to be split
 * before the phase `system_features`; -ENOMEM when there is no table page for a split; -EDEADLK when a split is going on, that is
 * when the table page of a split needs one itself.
 */
export interface SetMemory {
  /** What it did so far. */
  readonly counters: {
    /** Calls of {@link setMemoryPkey} that changed something. */
    pkeyCalls: number;
    /** Pages whose key they set. */
    pkeyPages: number;
    /** Calls of the `set_direct_map` family that changed something. */
    directMapCalls: number;
  };
  /**
   * `set_memory_pkey`: gives pages of the linear map a key, in the entries themselves, and invalidates their translations.
   * Nothing, and success, on a CPU without kernel pkeys.
   * @param page - first page, in the linear map; an address tag in it is removed
   * @param pages - number of pages, at least 1
   * @param pkey - the key's number
   * @returns 0; -EINVAL for a key beyond the last or an address outside the linear map; the shared errors
   */
  setMemoryPkey(page: Vpn, pages: number, pkey: Pkey): 0 | Errno;
  /**
   * Gives pages of the kernel image's own mapping a key: the second alias of static tables, which the linear map does not
   * reach. No version of the series has it.
   * @param pfn - first page-frame number, inside the image
   * @param pages - number of pages
   * @param pkey - the key's number
   * @returns 0; -EINVAL for a key beyond the last or a page outside the image
   */
  setImagePkey(pfn: Pfn, pages: number, pkey: Pkey): 0 | Errno;
  /**
   * `set_memory_ro`: makes pages of one vmalloc area read-only; with `rodata=full` their linear mapping too. Like the three that
   * follow it takes nothing but a vmalloc area, and invalidates the translations.
   * @param page - first page
   * @param pages - number of pages; 0 changes nothing
   * @returns 0; -EINVAL outside a vmalloc area or beyond its end; the shared errors
   */
  setMemoryRo(page: Vpn, pages: number): 0 | Errno;
  /** `set_memory_rw`: the inverse of {@link setMemoryRo}. @param page - as there @param pages - as there */
  setMemoryRw(page: Vpn, pages: number): 0 | Errno;
  /** `set_memory_nx`: no execution. @param page - as {@link setMemoryRo} @param pages - as there */
  setMemoryNx(page: Vpn, pages: number): 0 | Errno;
  /** `set_memory_x`: the inverse of {@link setMemoryNx}. @param page - as {@link setMemoryRo} @param pages - as there */
  setMemoryX(page: Vpn, pages: number): 0 | Errno;
  /**
   * `set_memory_valid`: makes any kernel pages invalid, their address kept, or valid again. Invalidates translations unless all it
   * does is to make them valid, for an invalid entry is in no TLB.
   * @param page - first page
   * @param pages - number of pages; 0 changes nothing
   * @param valid - which of the two
   * @returns 0 or one of the shared errors
   */
  setMemoryValid(page: Vpn, pages: number, valid: boolean): 0 | Errno;
  /**
   * `can_set_direct_map`: whether the three that follow do anything. True with `rodata=full`, and where a feature that protects
   * page tables finds kernel pkeys supported early; else they change nothing and return 0.
   */
  canSetDirectMap(): boolean;
  /**
   * `set_direct_map_invalid_noflush`: makes a page's linear mapping invalid, its address kept. Translations stay in the TLBs.
   * @param pfn - page-frame number
   * @returns 0; -EINVAL for a page that is no RAM; the shared errors
   */
  setDirectMapInvalid(pfn: Pfn): 0 | Errno;
  /**
   * `set_direct_map_default_noflush`: makes it valid and writable again.
   * @param pfn - page-frame number
   * @returns as {@link setDirectMapInvalid}
   */
  setDirectMapDefault(pfn: Pfn): 0 | Errno;
  /**
   * `set_direct_map_valid_noflush`: {@link setMemoryValid} for the linear mapping of a run of pages.
   * @param pfn - first page-frame number
   * @param pages - number of pages; 0 changes nothing
   * @param valid - which of the two
   * @returns as {@link setDirectMapInvalid}
   */
  setDirectMapValid(pfn: Pfn, pages: number, valid: boolean): 0 | Errno;
}

/** Token of {@link SetMemory}. */
export const SetMemory: Token<SetMemory> = token("SetMemory");

/** Memory that is contiguous in kernel addresses only. */
export interface Vmalloc {
  /**
   * `vmalloc`: maps fresh pages, page by page, with a guard page behind.
   * @param pages - number of pages, at least 1
   * @param allowHuge - `vmalloc_huge`: takes and maps blocks that the contiguous hint joins, where the architecture has them and the
   *   length reaches one, and is rounded up to them; false if left out
   * @returns its first page, or `undefined` when there is no memory
   */
  alloc(pages: number, allowHuge?: boolean): Vpn | undefined;
  /**
   * `vfree`.
   * @param page - what {@link alloc} gave
   * @throws KpkeysError ERR_API_MISUSE for anything else
   */
  free(page: Vpn): void;
  /**
   * `vm_map_ram`: maps pages of the caller's own, one after another.
   * @param frames - their page-frame numbers, at least one
   * @returns the first page, or `undefined` when there is no room
   */
  mapRam(frames: readonly Pfn[]): Vpn | undefined;
  /**
   * `vm_unmap_ram`: the pages stay the caller's.
   * @param page - what {@link mapRam} gave
   * @throws KpkeysError ERR_API_MISUSE for anything else
   */
  unmapRam(page: Vpn): void;
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
  readonly pfn: Pfn;
  /** Number of pages. */
  readonly pages: number;
}

/** Token of {@link StaticTablePages}. */
export const StaticTablePages: Token<StaticTablePages> = token("StaticTablePages");
