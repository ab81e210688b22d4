import { inject, injectable } from "@kpkeys/core";
import { PageTableFormat, PgtableArch, PhysicalMemory, toPfn, toVpn, wordsOf } from "@kpkeys/core/contracts";
import type {
  Geometry,
  LevelGeometry,
  LinearMap,
  LinearMapStats,
  PageRange,
  Pfn,
  VirtAddr,
  Vpn,
  Words,
} from "@kpkeys/core/contracts";
import { KernelImage } from "../boot/image.js";

/**
 * The virtual page of an address.
 * @param address - the address, page-aligned
 * @param pageShift - log2 of the page size in bytes
 */
export function pageOfAddress(address: VirtAddr, pageShift: number): Vpn {
  return toVpn(Number(address >> BigInt(pageShift)));
}

/**
 * The kernel's half of the address space.
 * @param geometry - the shape of the tables
 */
export function kernelRangeOf({ pageShift, addressBits, splitRoots }: Geometry): PageRange {
  const to = toVpn(2 ** (64 - pageShift));
  return { from: toVpn(to - 2 ** (addressBits - (splitRoots ? 0 : 1) - pageShift)), to };
}

/** Counters of the linear map. */
export interface LinearMapCounts {
  /** Leaves by level; index 0 is the top level. */
  readonly leaves: number[];
  /** Table pages below the top level. */
  tables: number;
  /** Blocks split. */
  splits: number;
}

/** Number of TLB entries for which the reach is computed. */
const TLB_ENTRIES = 1024;

/** Address arithmetic in the kernel's half of the address space, and counters of the linear map. */
@injectable()
export class Addresses implements LinearMap {
  /** First page of the linear map. */
  readonly linearPage: Vpn;
  /** First page of the image's mapping. */
  readonly imagePage: Vpn;
  /** Counters of the linear map, updated when it is made and when a block is split. */
  readonly linearMap: LinearMapCounts;
  private readonly vmemmapPage: Vpn;
  private readonly structPageSize: number;
  private readonly levels: readonly LevelGeometry[];
  private readonly pageShift: number;

  constructor(
    @inject(PgtableArch) { layout }: PgtableArch,
    @inject(PhysicalMemory) private readonly memory: PhysicalMemory,
    @inject(KernelImage) private readonly image: KernelImage,
    @inject(PageTableFormat) { geometry }: PageTableFormat,
  ) {
    const { levels, pageShift } = geometry;
    this.levels = levels;
    this.pageShift = pageShift;
    this.linearPage = pageOfAddress(layout.linearMap, pageShift);
    this.vmemmapPage = pageOfAddress(layout.vmemmap, pageShift);
    this.imagePage = pageOfAddress(layout.image, pageShift);
    this.structPageSize = layout.structPageSize;
    this.linearMap = { leaves: levels.map(() => 0), tables: 0, splits: 0 };
  }

  get pteMapped(): boolean {
    return this.linearMap.leaves.every((count, level) => level === this.levels.length - 1 || count === 0);
  }

  pageOf(pfn: Pfn): Vpn {
    return toVpn(this.linearPage + pfn - this.memory.firstPfn);
  }

  address(pfn: Pfn, offset = 0): Words {
    return wordsOf(this.pageOf(pfn), this.pageShift, offset);
  }

  pfnOf(page: Vpn): Pfn | undefined {
    const pfn = toPfn(page - this.linearPage + this.memory.firstPfn);
    return pfn >= this.memory.firstPfn && pfn < this.memory.endPfn && this.memory.contains(pfn) ? pfn : undefined;
  }

  structPage(pfn: Pfn): Words {
    const bytes = (pfn - this.memory.firstPfn) * this.structPageSize;
    const page = toVpn(this.vmemmapPage + Math.floor(bytes / 2 ** this.pageShift));
    return wordsOf(page, this.pageShift, bytes % 2 ** this.pageShift);
  }

  imageAddress(): Words {
    return wordsOf(this.imagePageOf(this.image.initMm), this.pageShift);
  }

  /**
   * The page at which the image's mapping maps a page of the image.
   * @param pfn - page-frame number in the image
   */
  imagePageOf(pfn: Pfn): Vpn {
    return toVpn(this.imagePage + pfn - this.image.pfn);
  }

  /**
   * Whether a run of pages is RAM without a hole.
   * @param pfn - first page-frame number
   * @param pages - number of pages
   */
  isRam(pfn: Pfn, pages: number): boolean {
    let end: number = pfn;
    for (const bank of this.memory.banks) {
      if (end >= bank.firstPfn && end < bank.firstPfn + bank.pages) end = bank.firstPfn + bank.pages;
    }
    return end > pfn && pfn + pages <= end;
  }

  stats(): LinearMapStats {
    const { tables, splits } = this.linearMap;
    const leaves = this.levels.flatMap(({ shift, leaf }, level) =>
      leaf ? [{ bytes: 2 ** shift, count: this.linearMap.leaves[level]! }] : [],
    );
    const mapped = leaves.reduce((sum, { bytes, count }) => sum + bytes * count, 0);
    const entries = leaves.reduce((sum, { count }) => sum + count, 0);
    const tlbReach = Math.min(mapped, Math.floor((mapped / entries) * TLB_ENTRIES));
    return { tables, leaves, splits, tlbReach };
  }
}
