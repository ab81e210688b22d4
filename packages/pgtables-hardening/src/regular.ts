import { KpkeysError } from "@kpkeys/core";
import { toPkey } from "@kpkeys/core/contracts";
import type { Errno, ExtensionPoints, Pfn } from "@kpkeys/core/contracts";
import type { Hardening } from "./hardening.js";
import type { Init } from "./init.js";

/** What becomes of a table page from the buddy allocator. */
interface Protection {
  /** Gives it the key. @returns 0, or the error that refuses the page */
  readonly protect: (pfn: Pfn) => 0 | Errno;
  /** Takes the key away again. */
  readonly unprotect: (pfn: Pfn) => void;
}

/**
 * Protects table pages from the buddy allocator: they get the key before anything points to them and lose it before they are
 * freed. They are zeroed before that, so nothing is written to them with the key on.
 *
 * @param points - the machine's extension points
 * @param hardening - key and tagging
 * @param init - tells whether the hardening was initialised
 * @param tagging - the place where that happens
 */
export function protectRegularTables(
  points: ExtensionPoints,
  hardening: Hardening,
  init: Init,
  tagging: "allocator" | "ctor" | "ctor-missing-kernel",
): void {
  const protection = createProtection(hardening, init);
  if (tagging === "allocator") protectInAllocator(points, protection);
  else protectInConstructor(points, protection, tagging);
}

function createProtection({ pkey, key, tagging, warnOn }: Hardening, init: Init): Protection {
  return {
    protect(pfn) {
      if (!init.done) {
        throw new KpkeysError("ERR_INIT_ORDER", `table page ${pfn} comes from the buddy allocator before mem_init`, {
          where: "plugin 'pgtables'",
          expected: "mem_init first: a table page from before would stay unprotected",
        });
      }
      if (!key.enabled) return 0;
      const errno = tagging.linear(pfn, 1, pkey);
      warnOn(errno !== 0, `table page ${pfn} cannot get the key PGTABLES: ${errno}`);
      return errno;
    },
    unprotect(pfn) {
      if (!key.enabled) return;
      const errno = tagging.linear(pfn, 1, toPkey(0));
      warnOn(errno !== 0, `table page ${pfn} cannot lose the key PGTABLES: ${errno}`);
    },
  };
}

/** `kpkeys_pgtable_alloc()` and `kpkeys_pgtable_free()`, called from pagetable_alloc() and pagetable_free() since v6. */
function protectInAllocator(points: ExtensionPoints, { protect, unprotect }: Protection): void {
  points.on("tablePageAllocated", protect);
  points.on("tablePageFreeing", unprotect);
}

/**
 * `kpkeys_protect_pgtable_memory()` and its counterpart, called from the common constructor and destructor (v2 to v5). The kernel
 * that v2 and v3 stand on runs neither for its own PTE tables: pte_alloc_one_kernel() takes the page and no more.
 */
function protectInConstructor(
  points: ExtensionPoints,
  { protect, unprotect }: Protection,
  tagging: "ctor" | "ctor-missing-kernel",
): void {
  const isConstructed = (level: string, source: string): boolean =>
    tagging === "ctor" || level !== "pte" || source !== "kernel";

  points.on("tablePageCtor", (pfn, level, source) => (isConstructed(level, source) ? protect(pfn) : 0));
  points.on("tablePageDtor", (pfn, level, source) => {
    if (isConstructed(level, source)) unprotect(pfn);
  });
}
