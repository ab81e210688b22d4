import { KpkeysError } from "@kpkeys/core";
import type { ExtensionPoints } from "@kpkeys/core/contracts";
import type { Hardening } from "./hardening.js";
import type { Init } from "./init.js";

/**
 * Protects table pages from the buddy allocator: they get the key right after allocation and lose it right before they are
 * freed (`kpkeys_pgtable_alloc()`, `kpkeys_pgtable_free()` since v6). The allocator has zeroed them before, so nothing is
 * written to them with the key on.
 *
 * @param points - the machine's extension points
 * @param hardening - key and tagging
 * @param init - tells whether the hardening was initialised
 */
export function protectRegularTables(points: ExtensionPoints, hardening: Hardening, init: Init): void {
  const { pkey, key, tagging, warnOn } = hardening;

  points.on("tablePageAllocated", (pfn) => {
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
  });

  points.on("tablePageFreeing", (pfn) => {
    if (!key.enabled) return;
    const errno = tagging.linear(pfn, 1, 0);
    warnOn(errno !== 0, `table page ${pfn} cannot lose the key PGTABLES: ${errno}`);
  });
}
