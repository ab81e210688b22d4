import { hex, KpkeysError } from "@kpkeys/core";
import { FaultKind, Gfp, OK } from "@kpkeys/core/contracts";
import type { Cpus, Guard, LinearMap, PageAllocator, Pfn, TableAllocator } from "@kpkeys/core/contracts";
import type { Hardening } from "../hardening.js";
import { isAllowed } from "./gfp.js";
import type { Memcg } from "./memcg.js";
import type { Pool } from "./pool.js";
import type { Refiller } from "./refill.js";

/** What the allocator needs of the kernel. */
export interface AllocatorServices {
  /** The buddy allocator. */
  readonly pages: () => PageAllocator;
  /** Whose current CPU fills pages with zeroes. */
  readonly cpus: () => Cpus;
  /** Where pages are mapped. */
  readonly linearMap: () => LinearMap;
  /** 64-bit words of a page. */
  readonly wordsInPage: number;
}

/**
 * Makes allocation and freeing: `kpkeys_pgtable_alloc()` and `kpkeys_pgtable_free()` of v6. Pages come out of the pool with the
 * key on and go back into it with the key on, so that neither writes the linear map; only the zeroing needs the context.
 * Without kernel pkeys the buddy allocator serves, page by page.
 *
 * @param services - the kernel's
 * @param hardening - whether the hardening is on
 * @param guard - enters the context while the hardening is on
 * @param pool - the pages
 * @param refiller - replenishes
 * @param memcg - the account
 */
export function createAllocator(
  { pages, cpus, linearMap, wordsInPage }: AllocatorServices,
  { key, warnOn }: Hardening,
  guard: Guard,
  pool: Pool,
  refiller: Refiller,
  memcg: Memcg,
): Pick<TableAllocator, "alloc" | "free"> {
  function zero(pfn: Pfn): void {
    const { high, low } = linearMap().address(pfn);
    const cpu = cpus().current;
    const state = guard.enter();
    const status = cpu.storeRun(high, low, 0, 0, 0, wordsInPage);
    guard.exit(state);
    if (status === OK) return;
    throw new KpkeysError("ERR_KERNEL_FAULT", `page ${pfn} of the pool cannot be zeroed`, {
      where: "the block allocator of plugin 'pgtables'",
      expected: cpu.fault.kind === FaultKind.PKEY ? "a context that may write tables" : "a page in the linear map",
    });
  }

  /** Only a split may use the reserve, and a split never waits for a refill: it may be part of one. */
  function take(forSplit: boolean): Pfn | undefined {
    return pool.take(forSplit) ?? (forSplit ? undefined : refiller.refill(true));
  }

  return {
    alloc(_source, gfp) {
      warnOn(!isAllowed(gfp), `gfp ${hex(gfp)} asks for what the block allocator does not know`);
      const pfn = key.enabled ? take((gfp & Gfp.PGTABLE_SPLIT) !== 0) : pages().alloc(0);
      if (pfn === undefined) return undefined;
      if ((gfp & Gfp.ZERO) !== 0) zero(pfn);
      if ((gfp & Gfp.ACCOUNT) !== 0) memcg.charge(pfn);
      return pfn;
    },
    free(pfn) {
      memcg.uncharge(pfn);
      if (key.enabled) pool.add(pfn, 1);
      else pages().free(pfn, 0);
    },
  };
}
