/** Charges table pages to memory cgroups, which the buddy allocator cannot do for pages that come out of a pool. */
export interface Memcg {
  /** Pages charged so far. */
  readonly charged: number;
  /** Pages whose charge was taken back. */
  readonly uncharged: number;
  /** `memcg_kmem_charge_page`. @param pfn - a page that is handed out */
  charge(pfn: number): void;
  /** `memcg_kmem_uncharge_page`: nothing for a page that was not charged. @param pfn - a page that comes back */
  uncharge(pfn: number): void;
}

/** Makes the account, empty. */
export function createMemcg(): Memcg {
  const pages = new Set<number>();
  let charged = 0;
  let uncharged = 0;
  return {
    get charged() {
      return charged;
    },
    get uncharged() {
      return uncharged;
    },
    charge(pfn) {
      pages.add(pfn);
      charged++;
    },
    uncharge(pfn) {
      if (pages.delete(pfn)) uncharged++;
    },
  };
}
