import type { ExtensionPoints, LinearMap, PageAllocator, SetMemory } from "@kpkeys/core/contracts";
import type { Slab } from "./slab.js";

/** The pages of slabs: from the buddy allocator, with their key, and to which slab each belongs. */
export interface SlabPages {
  /**
   * Takes a block and gives it its key, before anything is written there.
   * @param order - 2 to the power of this pages
   * @param pkey - the key, 0 for none
   * @returns physical address of its first byte, or -1 when there is no memory or it cannot get the key
   */
  take(order: number, pkey: number): number;
  /**
   * Takes the key from a slab's block and gives it back.
   * @param slab - the slab
   * @param order - of its block
   * @param pkey - its key
   */
  giveBack(slab: Slab, order: number, pkey: number): void;
  /** Notes to which slab the pages of a block belong. @param slab - the slab @param order - of its block */
  describe(slab: Slab, order: number): void;
  /** The slab in which an address lies: `virt_to_slab`. @param address - a physical address */
  slabOf(address: number): Slab | undefined;
}

/**
 * Makes the book of slab pages.
 * @param buddy - the buddy allocator
 * @param linearMap - where pages are mapped
 * @param setMemory - gives keys
 * @param pageBytes - bytes of a page
 * @param extensions - the features told of slabs with keys
 */
export function createSlabPages(
  buddy: PageAllocator,
  linearMap: LinearMap,
  setMemory: SetMemory,
  pageBytes: number,
  extensions: ExtensionPoints,
): SlabPages {
  const tagged = extensions.handlers("slabPageTagged");
  const slabByPage = new Map<number, Slab>();

  function setPkey(pfn: number, pages: number, pkey: number): number {
    return setMemory.setMemoryPkey(linearMap.pageOf(pfn), pages, pkey);
  }

  return {
    take(order, pkey) {
      const pfn = buddy.alloc(order);
      if (pfn < 0) return -1;
      if (pkey !== 0) {
        if (setPkey(pfn, 1 << order, pkey) !== 0) {
          buddy.free(pfn, order);
          return -1;
        }
        for (const handler of tagged) handler(pfn, 1 << order, pkey);
      }
      return pfn * pageBytes;
    },
    giveBack({ start }, order, pkey) {
      const pfn = start / pageBytes;
      for (let page = 0; page < 1 << order; page++) slabByPage.delete(pfn + page);
      // A page that cannot lose its key must not come back as anything else: it is lost, as Linux would leak it.
      if (pkey !== 0 && setPkey(pfn, 1 << order, 0) !== 0) return;
      buddy.free(pfn, order);
    },
    describe(slab, order) {
      const pfn = slab.start / pageBytes;
      for (let page = 0; page < 1 << order; page++) slabByPage.set(pfn + page, slab);
    },
    slabOf: (address) => slabByPage.get(Math.floor(address / pageBytes)),
  };
}
