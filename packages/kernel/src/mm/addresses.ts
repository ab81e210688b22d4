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

/** Where pages are found in the kernel's half of the address space: address arithmetic, and counts of the linear map's leaves. */
@injectable()
export class Addresses implements LinearMap {
  /** First page of the linear map. */
  readonly linearPage: Vpn;
  /** First page of the image's own mapping. */
  readonly imagePage: Vpn;
  /** Of what the linear map consists: counted where it is made and where it is split. */
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
   * The page of the image's own mapping that maps a page of the image.
   * @param pfn - page-frame number, in the image
   */
  imagePageOf(pfn: Pfn): Vpn {
    return toVpn(this.imagePage + pfn - this.image.pfn);
  }

  /**
   * Whether a run of pages is RAM, without a hole.
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
