import { inject, injectable } from "@kpkeys/core";
import {
  ExtensionPoints,
  LinearMap,
  PageAllocator,
  PageTableFormat,
  physAddrOf,
  SetMemory,
  toPfn,
  toPkey,
} from "@kpkeys/core/contracts";
import type { Errno, Pfn, PhysAddr, Pkey, SlabCache } from "@kpkeys/core/contracts";

/** A run of pages cut into objects: `struct slab`. The model keeps its description outside simulated memory; its free list is inside. */
export interface Slab {
  /** Physical address of its first byte. */
  readonly start: PhysAddr;
  /** The cache that it belongs to. */
  readonly cache: SlabCache;
  /** Physical address of the first free object, {@link NULL} when there is none: `slab->freelist`. */
  free: PhysAddr;
  /** Objects handed out. */
  inUse: number;
}

/** The pages of slabs: from the buddy allocator, with their key, and the slab that each page belongs to. */
@injectable()
export class SlabPages {
  /** Bytes of a page. */
  readonly pageBytes: number;
  private readonly pageShift: number;
  private readonly tagged: readonly ((pfn: Pfn, pages: number, pkey: Pkey) => void)[];
  private readonly slabByPage = new Map<number, Slab>();

  constructor(
    @inject(PageAllocator) private readonly buddy: PageAllocator,
    @inject(LinearMap) private readonly linearMap: LinearMap,
    @inject(SetMemory) private readonly setMemory: SetMemory,
    @inject(PageTableFormat) format: PageTableFormat,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
  ) {
    this.pageShift = format.geometry.pageShift;
    this.pageBytes = 2 ** this.pageShift;
    this.tagged = extensions.handlers("slabPageTagged");
  }

  /**
   * Takes a block and gives it its key, before anything is written there.
   * @param order - 2 to the power of this pages
   * @param pkey - the key, 0 for none
   * @returns physical address of its first byte, or `undefined` when there is no memory or it cannot get the key
   */
  take(order: number, pkey: Pkey): PhysAddr | undefined {
    const pfn = this.buddy.alloc(order);
    if (pfn === undefined) return undefined;
    if (pkey !== 0) {
      if (this.setPkey(pfn, 1 << order, pkey) !== 0) {
        this.buddy.free(pfn, order);
        return undefined;
      }
      for (const handler of this.tagged) handler(pfn, 1 << order, pkey);
    }
    return physAddrOf(pfn, this.pageShift);
  }

  /**
   * Takes the key from a slab's block and gives the block back.
   * @param slab - the slab
   * @param order - of its block
   * @param pkey - its key
   */
  giveBack({ start }: Slab, order: number, pkey: Pkey): void {
    const pfn = start / this.pageBytes;
    for (let page = 0; page < 1 << order; page++) this.slabByPage.delete(pfn + page);
    // A page that cannot lose its key must not be used for anything else: it is leaked, as Linux does.
    if (pkey !== 0 && this.setPkey(toPfn(pfn), 1 << order, toPkey(0)) !== 0) return;
    this.buddy.free(toPfn(pfn), order);
  }

  /** Notes the slab of the pages of a block. @param slab - the slab @param order - of its block */
  describe(slab: Slab, order: number): void {
    const pfn = slab.start / this.pageBytes;
    for (let page = 0; page < 1 << order; page++) this.slabByPage.set(pfn + page, slab);
  }

  /** The slab that holds an address: `virt_to_slab`. @param address - a physical address */
  slabOf(address: PhysAddr): Slab | undefined {
    return this.slabByPage.get(Math.floor(address / this.pageBytes));
  }

  private setPkey(pfn: Pfn, pages: number, pkey: Pkey): 0 | Errno {
    return this.setMemory.setMemoryPkey(this.linearMap.pageOf(pfn), pages, pkey);
  }
}
