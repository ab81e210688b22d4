import type { Cpu, Cpus } from "@kpkeys/core/contracts";

/** Invalidation of translations. A page, a range, an address space or a CPU counts as one invalidation each. */
export interface TlbFlush {
  /** Invalidations asked for. */
  readonly invalidations: number;
  /**
   * `flush_tlb_range` and `flush_tlb_kernel_range`.
   * @param high - bits 63 to 32 of an address in the first page
   * @param low - bits 31 to 0
   * @param pages - number of pages, at least 1
   */
  range(high: number, low: number, pages: number): void;
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
 */
export function createTlbFlush(cpus: Cpus): TlbFlush {
  const tlb: { -readonly [F in keyof TlbFlush]: TlbFlush[F] } = {
    invalidations: 0,
    range(high, low, pages) {
      tlb.invalidations++;
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
