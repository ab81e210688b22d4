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

/** A run of pages with objects: `struct slab`. This description is outside simulated memory; the free list is inside. */
export interface Slab {
  /** Physical address of its first byte. */
  readonly start: PhysAddr;
  /** Its cache. */
  readonly cache: SlabCache;
  /** Physical address of the first free object; {@link NULL} if the slab is full: `slab->freelist`. */
  free: PhysAddr;
  /** Number of allocated objects. */
  inUse: number;
}

/** Allocates the pages of a cache's slabs. */
export interface SlabSource {
  /**
   * Allocates a block and sets its key before any write to it.
   * @param order - order of the block: 2 ** order pages
   * @param pkey - the key; 0 for none
   * @returns physical address of the block; `undefined` if the allocation or the change of the key fails
   */
  alloc(order: number, pkey: Pkey): PhysAddr | undefined;
  /**
   * Sets the key of a slab's block to 0 and frees the block.
   * @param slab - the slab
   * @param order - order of its block
   * @param pkey - its key
   */
  free(slab: Slab, order: number, pkey: Pkey): void;
}

/** Allocates the pages of slabs, sets their key, and maps pages to slabs. */
@injectable()
export class SlabPages implements SlabSource {
  /** Page size in bytes. */
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

  alloc(order: number, pkey: Pkey): PhysAddr | undefined {
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

  free({ start }: Slab, order: number, pkey: Pkey): void {
    const pfn = start / this.pageBytes;
    // A page that keeps its key must not be reused. It is leaked, as in Linux.
    if (pkey !== 0 && this.setPkey(toPfn(pfn), 1 << order, toPkey(0)) !== 0) return;
    this.buddy.free(toPfn(pfn), order);
  }

  /** Records the slab of each page of a block. @param slab - the slab @param order - order of its block */
  register(slab: Slab, order: number): void {
    const pfn = slab.start / this.pageBytes;
    for (let page = 0; page < 1 << order; page++) this.slabByPage.set(pfn + page, slab);
  }

  /** Removes the slab of the pages of a block. @param slab - the slab @param order - order of its block */
  unregister(slab: Slab, order: number): void {
    const pfn = slab.start / this.pageBytes;
    for (let page = 0; page < 1 << order; page++) this.slabByPage.delete(pfn + page);
  }

  /** The slab of an address: `virt_to_slab`. @param address - a physical address */
  slabOf(address: PhysAddr): Slab | undefined {
    return this.slabByPage.get(Math.floor(address / this.pageBytes));
  }

  private setPkey(pfn: Pfn, pages: number, pkey: Pkey): 0 | Errno {
    return this.setMemory.setMemoryPkey(this.linearMap.pageOf(pfn), pages, pkey);
  }
}
