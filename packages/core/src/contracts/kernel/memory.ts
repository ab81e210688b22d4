import type { Errno } from "../errno.js";
import type { Pfn, Pkey, Vpn } from "../numbers.js";
import type { ProtectionName } from "../page-table-format.js";
import type { StaticTables } from "../pgtable-arch.js";
import type { Words } from "../pkey-register.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/** The leaves of one size. */
export interface LeafCount {
  /** Bytes that each maps: 4 KiB, 2 MiB or 1 GiB with 4 KiB pages. */
  readonly bytes: number;
  /** Number of leaves. */
  readonly count: number;
}

/** The structure of the linear map. */
export interface LinearMapStats {
  /** Table pages below the top level that translate the linear map. */
  readonly tables: number;
  /** Its leaves by size, the largest first, including sizes without a leaf. */
  readonly leaves: readonly LeafCount[];
  /** Blocks of all sizes split so far. Each split needs one table page. */
  readonly splits: number;
  /** Bytes that 1,024 TLB entries cover on average: 1,024 leaves of mean size, at most all of RAM. */
  readonly tlbReach: number;
}

/** The linear map, the vmemmap and the kernel image. */
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
   * @returns a page-frame number; `undefined` outside the linear map
   */
  pfnOf(page: Vpn): Pfn | undefined;
  /**
   * Address of the struct page of a page, in the vmemmap.
   * @param pfn - page-frame number
   */
  structPage(pfn: Pfn): Words;
  /** The address of `init_mm`, in the data of the kernel image. */
  imageAddress(): Words;
  /** Whether the linear map has pages only: from the start, or because all blocks are split. */
  readonly pteMapped: boolean;
  /** Its current structure. */
  stats(): LinearMapStats;
}

/** Token of {@link LinearMap}. */
export const LinearMap: Token<LinearMap> = token("LinearMap");

/**
 * Changes of attributes in the linear map and in the areas of {@link Vmalloc}. A change of a part of a block of the linear map splits the
 * block first; the parts map the same memory. A change that fails modifies no translation and no attribute, except that
 * {@link setMemoryRo} and {@link setMemoryRw} with `rodata=full` change the linear mapping page by page up to the error.
 *
 * Errors of all changes: -EINVAL if an address of the range is not mapped, or if a block must be split before the phase
 * `system_features`; -ENOMEM if there is no table page for a split; -EDEADLK inside a split, if the table page of a split needs a split.
 */
export interface SetMemory {
  /** Its counters. */
  readonly counters: {
    /** Changes of a key: calls of {@link setMemoryPkey} that changed an entry, and allocations and frees of an area with a key. */
    pkeyCalls: number;
    /** Pages whose key they set. The linear alias of a page in an area is not counted again. */
    pkeyPages: number;
    /** Calls of the `set_direct_map` family that changed an entry. */
    directMapCalls: number;
  };
  /**
   * `set_memory_pkey`: sets the key of pages of the linear map or of one vmalloc, vmap or module area, and invalidates their translations.
   * In an area, the linear mapping of each frame gets the key too: otherwise the linear alias stays open. A frame outside RAM has no
   * linear mapping. Other aliases keep their key: an area that maps the same frame, or the area of a page of the linear map. RFC v9
   * accepts pages of the linear map only. On a CPU without kernel pkeys the function returns 0 without a change.
   *
   * All splits of the linear map come before the first change. If one fails, no key has changed.
   *
   * @param page - first page; an address tag is removed
   * @param pages - number of pages, at least 1
   * @param pkey - the key's number
   * @returns 0; -EINVAL for a key past the last one, or for a range that is not in the linear map and not in one area; the errors of all
   *   changes
   */
  setMemoryPkey(page: Vpn, pages: number, pkey: Pkey): 0 | Errno;
  /**
   * Sets the key of pages in the mapping of the kernel image: the second alias of static tables. No version of the series does so.
   * @param pfn - first page-frame number, inside the image
   * @param pages - number of pages
   * @param pkey - the key's number
   * @returns 0; -EINVAL for a key past the last one or a page outside the image
   */
  setImagePkey(pfn: Pfn, pages: number, pkey: Pkey): 0 | Errno;
  /**
   * `set_memory_ro`: makes pages of one vmalloc area read-only; with `rodata=full` their linear mapping too. Like the next three
   * functions, it changes vmalloc areas only, and invalidates the translations.
   * @param page - first page
   * @param pages - number of pages; 0 changes nothing
   * @returns 0; -EINVAL outside a vmalloc area or past its end; the errors of all changes
   */
  setMemoryRo(page: Vpn, pages: number): 0 | Errno;
  /** `set_memory_rw`: the inverse of {@link setMemoryRo}. @param page - as there @param pages - as there */
  setMemoryRw(page: Vpn, pages: number): 0 | Errno;
  /** `set_memory_nx`: no execution. @param page - as {@link setMemoryRo} @param pages - as there */
  setMemoryNx(page: Vpn, pages: number): 0 | Errno;
  /** `set_memory_x`: the inverse of {@link setMemoryNx}. @param page - as {@link setMemoryRo} @param pages - as there */
  setMemoryX(page: Vpn, pages: number): 0 | Errno;
  /**
   * `set_memory_valid`: makes kernel pages invalid, with their address preserved, or valid again. Making pages valid needs no invalidation,
   * because a TLB holds no translation of an invalid entry.
   * @param page - first page
   * @param pages - number of pages; 0 changes nothing
   * @param valid - false to make them invalid, true to make them valid
   * @returns 0, or an error of all changes
   */
  setMemoryValid(page: Vpn, pages: number, valid: boolean): 0 | Errno;
  /**
   * `can_set_direct_map`: whether the next three functions have an effect. True with `rodata=full`, or if a feature protects page tables and
   * kernel pkeys are supported early. Otherwise they return 0 without a change.
   */
  canSetDirectMap(): boolean;
  /**
   * `set_direct_map_invalid_noflush`: makes the linear mapping of a page invalid, with its address preserved. Invalidates no translation.
   * @param pfn - page-frame number
   * @returns 0; -EINVAL for a page outside RAM; the errors of all changes
   */
  setDirectMapInvalid(pfn: Pfn): 0 | Errno;
  /**
   * `set_direct_map_default_noflush`: makes the linear mapping of a page valid and writable again.
   * @param pfn - page-frame number
   * @returns as {@link setDirectMapInvalid}
   */
  setDirectMapDefault(pfn: Pfn): 0 | Errno;
  /**
   * `set_direct_map_valid_noflush`: {@link setMemoryValid} for the linear mapping of a run of pages.
   * @param pfn - first page-frame number
   * @param pages - number of pages; 0 changes nothing
   * @param valid - false to make them invalid, true to make them valid
   * @returns as {@link setDirectMapInvalid}
   */
  setDirectMapValid(pfn: Pfn, pages: number, valid: boolean): 0 | Errno;
}

/** Token of {@link SetMemory}. */
export const SetMemory: Token<SetMemory> = token("SetMemory");

/** Options of {@link Vmalloc.alloc}: parameters of `__vmalloc_node_range` (mm/vmalloc.c). */
export interface VmallocOptions {
  /**
   * `VM_ALLOW_HUGE_VMAP`: allocates contiguous ranges ({@link PgtableArch.contPteOrder}) if the architecture has them and the length is
   * at least one, and rounds the length up. Default false.
   */
  readonly huge?: boolean;
  /** Protection of the leaves. The linear mapping of the frames keeps its protection. Default `PAGE_KERNEL`. */
  readonly protection?: ProtectionName;
  /**
   * Key of the leaves and of the linear mapping of the frames. The pages are zeroed first, because later only the key's contexts can
   * write them. On a CPU without kernel pkeys the pages are zeroed and get no key. Default: no key, and pages with their previous
   * content.
   */
  readonly pkey?: Pkey;
  /**
   * The addresses: the vmalloc area, or the module area, from which execmem (mm/execmem.c) allocates code. An architecture without
   * {@link KernelLayout.modulesStart} has modules in the vmalloc area. Default `vmalloc`.
   */
  readonly range?: "vmalloc" | "modules";
}

/** Memory that is contiguous in kernel addresses only, in the vmalloc area and in the module area. */
export interface Vmalloc {
  /**
   * `vmalloc`: allocates pages and maps each of them, with a guard page after the last.
   * @param pages - number of pages, at least 1
   * @param options - as `__vmalloc_node_range`
   * @returns its first page; `undefined` without memory or address space, or if a block of the linear map cannot be split for the key;
   *   the pages are free again, and no key has changed. Table pages made for the area stay, as in Linux
   * @throws KpkeysError ERR_API_MISUSE for a key past the last one
   */
  alloc(pages: number, options?: VmallocOptions): Vpn | undefined;
  /**
   * `vfree`. Before the frames are freed, the linear mapping of pages with a key gets key 0, and that of pages which
   * {@link SetMemory.setMemoryRo} made read-only gets PAGE_KERNEL, as `VM_FLUSH_RESET_PERMS` does: the next owner of the frame could
   * not write it.
   * @param page - the result of {@link alloc}
   * @throws KpkeysError ERR_API_MISUSE for another page
   */
  free(page: Vpn): void;
  /**
   * `vmalloc_to_page`: the frame of a page of the vmalloc or module area, by a walk of the page tables.
   * @param page - virtual page
   * @returns its page-frame number; `undefined` for a page that is not mapped, and outside these areas
   */
  pfnOf(page: Vpn): Pfn | undefined;
  /**
   * `vm_map_ram`: maps pages of the caller in consecutive addresses, with PAGE_KERNEL and key 0. The caller sets the key of the new alias
   * of a frame that has one.
   * @param frames - their page-frame numbers, at least one
   * @returns the first page; `undefined` without address space, or without memory for a table
   */
  mapRam(frames: readonly Pfn[]): Vpn | undefined;
  /**
   * `vm_unmap_ram`: unmaps the pages and does not free them. Their linear mapping keeps its key, because the frames may still need its
   * protection: the caller sets key 0 before it frees them.
   * @param page - the result of {@link mapRam}
   * @throws KpkeysError ERR_API_MISUSE for another page
   */
  unmapRam(page: Vpn): void;
}

/** Token of {@link Vmalloc}. */
export const Vmalloc: Token<Vmalloc> = token("Vmalloc");

/** The static table pages of the kernel image that a feature protects. */
export interface StaticTablePages {
  /** Runs of pages that get a key, with their symbols. */
  readonly keyed: readonly StaticTableRun[];
}

/** A run of static table pages. */
export interface StaticTableRun {
  /** Linux's symbol. */
  readonly symbol: string;
  /** Their use. */
  readonly role: StaticTables["role"];
  /** First page-frame number. */
  readonly pfn: Pfn;
  /** Number of pages. */
  readonly pages: number;
}

/** Token of {@link StaticTablePages}. */
export const StaticTablePages: Token<StaticTablePages> = token("StaticTablePages");
