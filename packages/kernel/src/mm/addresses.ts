import type {
  Geometry,
  KernelLayout,
  LinearMap,
  LinearMapStats,
  PageRange,
  Pfn,
  PhysicalMemory,
  Vpn,
  Words,
} from "@kpkeys/core/contracts";
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
 * The virtual page number of an address given as bigint.
 * @param address - 64 bits, page-aligned
 * @param pageShift - log2 of the page size in bytes
 */
export function pageOfAddress(address: bigint, pageShift: number): number {
  return Number(address >> BigInt(pageShift));
}

/**
 * The entry whose address is some pages further than that of another one, which is otherwise alike.
 * @param entry - the other one
 * @param pages - how many, 0 or more
 * @param pageShift - log2 of the page size in bytes
 */
export function entryAfter(entry: Words, pages: number, pageShift: number): Words {
  if (pages === 0) return entry;
  const number = (entry.low >>> pageShift) + pages;
  const low = (number << pageShift) | (entry.low & ((1 << pageShift) - 1));
  return { high: (entry.high + (number >>> (32 - pageShift))) | 0, low };
}

/**
 * The kernel's half of the address space.
 * @param geometry - the shape of the tables
 */
export function kernelRangeOf({ pageShift, addressBits, splitRoots }: Geometry): PageRange {
  const to = 2 ** (64 - pageShift);
  return { from: to - 2 ** (addressBits - (splitRoots ? 0 : 1) - pageShift), to };
}

/** {@link LinearMap} with what only the kernel needs. */
export interface Addresses extends LinearMap {
  /** First page of the linear map. */
  readonly linearPage: Vpn;
  /** First page of the image's own mapping. */
  readonly imagePage: Vpn;
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
  const linearPage = pageOfAddress(layout.linearMap, pageShift);
  const vmemmapPage = pageOfAddress(layout.vmemmap, pageShift);
  const imagePage = pageOfAddress(layout.image, pageShift);

  function structPage(pfn: number): Words {
    const bytes = (pfn - firstPfn) * layout.structPageSize;
    const page = vmemmapPage + Math.floor(bytes / 2 ** pageShift);
    return { high: pageHigh(page, pageShift), low: pageLow(page, pageShift) | (bytes % 2 ** pageShift) };
  }

  const linearPageOf = (pfn: Pfn): Vpn => linearPage + pfn - firstPfn;

  function pfnOf(page: Vpn): Pfn {
    const pfn = page - linearPage + firstPfn;
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
    pageOf: linearPageOf,
    address(pfn, offset = 0) {
      const page = linearPageOf(pfn);
      return { high: pageHigh(page, pageShift), low: pageLow(page, pageShift) | offset };
    },
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
