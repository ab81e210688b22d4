import { KpkeysError } from "@kpkeys/core";
import type { Errno, ExtensionPoints, Pfn } from "@kpkeys/core/contracts";
import type { Hardening } from "./hardening.js";

/**
 * Protects table pages from the buddy allocator: the key is set before anything points to the page and cleared before the page is
 * freed. The page is zeroed before that, so zeroing needs no context.
 */
export class RegularTables {
  /**
   * @param hardening - sets the key
   * @param isInitialised - whether the hardening was initialised
   */
  constructor(
    private readonly hardening: Hardening,
    private readonly isInitialised: () => boolean,
  ) {}

  /** `kpkeys_pgtable_alloc()` and `kpkeys_pgtable_free()`, called from pagetable_alloc() and pagetable_free() since v6. */
  protectInAllocator(points: ExtensionPoints): void {
    points.on("tablePageAllocated", (pfn) => this.protect(pfn));
    points.on("tablePageFreeing", (pfn) => {
      this.unprotect(pfn);
    });
  }

  /**
   * `kpkeys_protect_pgtable_memory()` and its counterpart, called from the common constructor and destructor (v2 to v5).
   * @param points - the machine's extension points
   * @param missesKernel - whether the kernel's own PTE tables have no constructor: pte_alloc_one_kernel() of the kernel that v2 and
   *   v3 are based on only allocates the page
   */
  protectInConstructor(points: ExtensionPoints, missesKernel: boolean): void {
    const isConstructed = (level: string, source: string): boolean =>
      !missesKernel || level !== "pte" || source !== "kernel";

    points.on("tablePageCtor", (pfn, level, source) => (isConstructed(level, source) ? this.protect(pfn) : 0));
    points.on("tablePageDtor", (pfn, level, source) => {
      if (isConstructed(level, source)) this.unprotect(pfn);
    });
  }

  /** @returns 0, or the error that fails the allocation */
  private protect(pfn: Pfn): 0 | Errno {
    if (!this.isInitialised()) {
      throw new KpkeysError("ERR_INIT_ORDER", `cannot protect table page ${pfn}: the hardening is not initialised`, {
        where: "plugin 'pgtables'",
        advice: "begin mem_init before the first table page is allocated",
      });
    }
    return this.hardening.key.enabled ? this.hardening.protect("table pages", pfn, 1) : 0;
  }

  private unprotect(pfn: Pfn): void {
    if (this.hardening.key.enabled) this.hardening.unprotect("table pages", pfn, 1);
  }
}
