import type { Cpu, Cpus, Vpn } from "@kpkeys/core/contracts";
import { pageHigh, pageLow } from "./addresses.js";

/** Invalidation of translations. A page, a range, an address space or a CPU counts as one invalidation each. */
export interface TlbFlush {
  /** Invalidations asked for. */
  readonly invalidations: number;
  /**
   * `flush_tlb_range` and `flush_tlb_kernel_range`.
   * @param page - first virtual page
   * @param pages - number of pages, at least 1
   */
  range(page: Vpn, pages: number): void;
  /**
   * `flush_tlb_mm`.
   * @param asid - the address space
   */
  addressSpace(asid: number): void;
  /**
   * `local_flush_tlb_all`.
   * @param cpu - the only CPU reached
   */
  cpu(cpu: Cpu): void;
}

/**
 * Makes the service.
 * @param cpus - the CPUs reached
 * @param pageShift - log2 of the page size in bytes
 */
export function createTlbFlush(cpus: Cpus, pageShift: number): TlbFlush {
  const tlb: { -readonly [F in keyof TlbFlush]: TlbFlush[F] } = {
    invalidations: 0,
    range(page, pages) {
      tlb.invalidations++;
      const high = pageHigh(page, pageShift);
      const low = pageLow(page, pageShift);
      for (const cpu of cpus.all) {
        if (pages === 1) cpu.mmu.invalidatePage(high, low);
        else cpu.mmu.invalidateRange(high, low, pages);
      }
    },
    addressSpace(asid) {
      tlb.invalidations++;
      for (const cpu of cpus.all) cpu.mmu.invalidateAsid(asid);
    },
    cpu({ mmu }) {
      tlb.invalidations++;
      mmu.invalidateAll();
    },
  };
  return tlb;
}
