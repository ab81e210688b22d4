import type { Geometry, KernelLayout, LinearMap, LinearMapStats, PhysicalMemory, Words } from "@kpkeys/core/contracts";
import type { KernelImage } from "../boot/image.js";

// Page numbers are below 2^52. Bit operations take a number modulo 2^32, which is quicker than a remainder of large numbers.

/** What the high word of an address counts in bytes. Products and quotients by powers of two are exact below. */
const HIGH_WORD = 2 ** 32;

/**
 * The high word of the address of a page.
 * @param page - virtual page number (address >> pageShift)
 * @param pageShift - log2 of the page size in bytes
 */
export function pageHigh(page: number, pageShift: number): number {
  return ((page * (1 << pageShift)) / HIGH_WORD) | 0;
}

/**
 * The low word of the address of a page.
 * @param page - virtual page number (address >> pageShift)
 * @param pageShift - log2 of the page size in bytes
 */
export function pageLow(page: number, pageShift: number): number {
  return page << pageShift;
}

/**
 * The virtual page number of an address.
 * @param high - bits 63 to 32
 * @param low - bits 31 to 0
 * @param pageShift - log2 of the page size in bytes
 */
export function pageOf(high: number, low: number, pageShift: number): number {
  return (high >>> 0) * (HIGH_WORD / (1 << pageShift)) + (low >>> pageShift);
}

/**
 * The virtual page number of an address given as bigint.
 * @param address - 64 bits, page-aligned
 * @param pageShift - log2 of the page size in bytes
 */
export function pageOfAddress(address: bigint, pageShift: number): number {
  return Number(address >> BigInt(pageShift));
}

/** {@link LinearMap} with what only the kernel needs. */
export interface Addresses extends LinearMap {
  /** Virtual page number of the first page of the linear map. */
  readonly linearPage: number;
  /** Virtual page number of the first page of the image's own mapping. */
  readonly imagePage: number;
  /** Of what the linear map consists: counted where it is made and where it is split. */
  readonly linearMap: LinearMapCounts;
  /**
   * Whether a run of pages is RAM, without a hole.
   * @param pfn - first page-frame number
   * @param pages - number of pages
   */
  isRam(pfn: number, pages: number): boolean;
}

/** What {@link Addresses} counts of the linear map. */
export interface LinearMapCounts {
  /** Leaves by level, 0 being the top. */
  readonly leaves: number[];
  /** Table pages below the top level. */
  tables: number;
  /** Blocks split. */
  splits: number;
}

/** TLB entries that the reach is given for. */
const TLB_ENTRIES = 1024;

/**
 * Where pages are found in the kernel's half of the address space: address arithmetic, and counts of the linear map's leaves.
 * @param layout - the architecture's layout
 * @param memory - RAM
 * @param image - where the kernel image lies in it
 * @param geometry - the shape of the tables
 */
export function createAddresses(
  layout: KernelLayout,
  memory: PhysicalMemory,
  image: KernelImage,
  { levels, pageShift }: Geometry,
): Addresses {
  const { firstPfn, endPfn } = memory;
  const highShift = 32 - pageShift;
  const linearPage = pageOfAddress(layout.linearMap, pageShift);
  const linearHigh = pageHigh(linearPage, pageShift);
  const vmemmapPage = pageOfAddress(layout.vmemmap, pageShift);
  const imagePage = pageOfAddress(layout.image, pageShift);

  function structPage(pfn: number): Words {
    const bytes = (pfn - firstPfn) * layout.structPageSize;
    const page = vmemmapPage + Math.floor(bytes / 2 ** pageShift);
    return { high: pageHigh(page, pageShift), low: pageLow(page, pageShift) | (bytes % 2 ** pageShift) };
  }

  function pfnOf(high: number, low: number): number {
    const pfn = pageOf(high, low, pageShift) - linearPage + firstPfn;
    return pfn >= firstPfn && pfn < endPfn && memory.contains(pfn) ? pfn : -1;
  }

  const linearMap: LinearMapCounts = { leaves: levels.map(() => 0), tables: 0, splits: 0 };
  const lastLevel = levels.length - 1;

  function isRam(pfn: number, pages: number): boolean {
    let end = pfn;
    for (const bank of memory.banks) {
      if (end >= bank.firstPfn && end < bank.firstPfn + bank.pages) end = bank.firstPfn + bank.pages;
    }
    return end > pfn && pfn + pages <= end;
  }

  function stats(): LinearMapStats {
    const leaves = levels
      .map(({ shift, leaf }, level) => ({ bytes: 2 ** shift, count: linearMap.leaves[level]!, leaf }))
      .filter(({ leaf }) => leaf)
      .map(({ bytes, count }) => ({ bytes, count }));
    const mapped = leaves.reduce((sum, { bytes, count }) => sum + bytes * count, 0);
    const entries = leaves.reduce((sum, { count }) => sum + count, 0);
    const tlbReach = Math.min(mapped, Math.floor((mapped / entries) * TLB_ENTRIES));
    return { tables: linearMap.tables, leaves, splits: linearMap.splits, tlbReach };
  }

  const service: Omit<Addresses, "pteMapped"> = {
    linearPage,
    imagePage,
    linearMap,
    isRam,
    stats,
    addressHigh: (pfn) => (linearHigh + ((pfn - firstPfn) >>> highShift)) | 0,
    addressLow: (pfn) => (pfn - firstPfn) << pageShift,
    pfnOf,
    structPage,
    imageAddress() {
      const page = imagePage + image.initMm - image.pfn;
      return { high: pageHigh(page, pageShift), low: pageLow(page, pageShift) };
    },
  };
  // Added when the rest is there: V8 keeps an object with an accessor in its literal as a hash table.
  return Object.defineProperty(service, "pteMapped", {
    get: () => linearMap.leaves.every((count, level) => level === lastLevel || count === 0),
  }) as Addresses;
}
