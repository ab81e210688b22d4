/** Charges table pages to memory cgroups: the buddy allocator cannot, because pages of the pool do not pass through it. */
export class Memcg {
  /** Pages charged so far. */
  charged = 0;
  /** Pages uncharged so far. */
  uncharged = 0;
  private readonly pages = new Set<number>();

  /** `memcg_kmem_charge_page`. @param pfn - an allocated page */
  charge(pfn: number): void {
    this.pages.add(pfn);
    this.charged++;
  }

  /** `memcg_kmem_uncharge_page`: no effect for a page that was not charged. @param pfn - a page about to be freed */
  uncharge(pfn: number): void {
    if (this.pages.delete(pfn)) this.uncharged++;
  }
}
