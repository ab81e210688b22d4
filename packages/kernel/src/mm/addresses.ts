import type { KernelLayout, LinearMap, PhysicalMemory, Words } from "@kpkeys/core/contracts";
import type { KernelImage } from "../boot/image.js";

/** Pages of 4 KiB in 4 GiB: what the high word of an address counts, seen from page numbers. */
const PAGES_PER_HIGH_WORD = 0x100000;

/**
 * The high word of the address of a page.
 * @param page - virtual page number (address >> 12)
 */
export function pageHigh(page: number): number {
  return Math.floor(page / PAGES_PER_HIGH_WORD) | 0;
}

/**
 * The low word of the address of a page.
 * @param page - virtual page number (address >> 12)
 */
export function pageLow(page: number): number {
  return (page % PAGES_PER_HIGH_WORD) << 12;
}

/**
 * The virtual page number of an address.
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 */
export function pageOf(high: number, low: number): number {
  return (high >>> 0) * PAGES_PER_HIGH_WORD + (low >>> 12);
}

/**
 * The virtual page number of an address given as bigint.
 * @param address - 64 bits, page-aligned
 */
export function pageOfAddress(address: bigint): number {
  return Number(address >> 12n);
}

/** {@link LinearMap} with what only the kernel needs. */
export interface Addresses extends LinearMap {
  /** Virtual page number of the first page of the linear map. */
  readonly linearPage: number;
  /** Virtual page number of the first page of the image's own mapping. */
  readonly imagePage: number;
  /** Whether the linear map consists of pages; set when it is made. */
  pteMapped: boolean;
}

/**
 * Where pages are found in the kernel's half of the address space: address arithmetic without state.
 * @param layout - the architecture's layout
 * @param memory - RAM
 * @param image - where the kernel image lies in it
 */
export function createAddresses(layout: KernelLayout, memory: PhysicalMemory, image: KernelImage): Addresses {
  const { firstPfn, endPfn } = memory;
  const linearPage = pageOfAddress(layout.linearMap);
  const linearHigh = pageHigh(linearPage);
  const vmemmapPage = pageOfAddress(layout.vmemmap);
  const imagePage = pageOfAddress(layout.image);

  function structPage(pfn: number): Words {
    const bytes = (pfn - firstPfn) * layout.structPageSize;
    const page = vmemmapPage + Math.floor(bytes / 4096);
    return { high: pageHigh(page), low: pageLow(page) | (bytes % 4096) };
  }

  function pfnOf(high: number, low: number): number {
    const pfn = pageOf(high, low) - linearPage + firstPfn;
    return pfn >= firstPfn && pfn < endPfn && memory.contains(pfn) ? pfn : -1;
  }

  return {
    linearPage,
    imagePage,
    pteMapped: false,
    addressHigh: (pfn) => (linearHigh + ((pfn - firstPfn) >>> 20)) | 0,
    addressLow: (pfn) => (pfn - firstPfn) << 12,
    pfnOf,
    structPage,
    imageAddress() {
      const page = imagePage + image.initMm - image.pfn;
      return { high: pageHigh(page), low: pageLow(page) };
    },
  };
}
