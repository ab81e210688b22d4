import type { CpuCounters, Mmu, Observer } from "../contracts/index.js";
import type { FastTags } from "./fast-tags.js";
import type { TranslationRegime } from "./regime.js";
import type { Tlb } from "./tlb.js";
import { createTlbAudit } from "./tlb-audit.js";
import type { Walker } from "./walker.js";

/** What a CPU's MMU is made of. */
export interface MmuParts {
  /** The CPU's number. */
  readonly id: number;
  /** The architecture's rules. */
  readonly regime: TranslationRegime;
  /** The CPU's walker: one for accesses and tools alike, because code made twice is slow. */
  readonly walker: Walker;
  /** The CPU's translations. */
  readonly tlb: Tlb;
  /** What the CPU may do without asking the TLB. */
  readonly fast: FastTags;
  /** The CPU's counts. */
  readonly counters: CpuCounters;
  /** Told of invalidations. */
  readonly observer: Observer | undefined;
}

/** An {@link Mmu} with what the CPU itself needs of it. */
export interface CpuMmu extends Mmu {
  /** {@link Mmu.enabled} as a plain field, which is quick to read. */
  readonly translates: boolean;
  /** The address space that user translations belong to; 0 where address spaces are not told apart. */
  readonly asid: number;
  /**
   * Whether the bits of an address above the significant ones are as they must be.
   * @param high - bits 63 to 32 of the address
   */
  isCanonical(high: number): boolean;
}

/**
 * @param parts - what it is made of
 * @returns an MMU that is off, with both roots 0
 */
export function createMmu({ id, regime, walker, tlb, fast, counters, observer }: MmuParts): CpuMmu {
  const { asidBits, splitRoots } = regime;
  const asids = asidBits > 0;
  // Bits 63 to addressBits choose the root where roots are split; else they repeat bit addressBits - 1.
  const signShift = regime.addressBits - 32 - (splitRoots ? 0 : 1);

  function isCanonical(high: number): boolean {
    const upper = high >> signShift;
    return upper === 0 || upper === -1;
  }

  function invalidateRange(high: number, low: number, pages: number): void {
    counters.tlbInvalidations++;
    observer?.tlbFlush?.(id, high, low, pages);
    tlb.dropRange(high, low, pages);
  }

  const mmu: { -readonly [F in Exclude<keyof CpuMmu, "enabled">]: CpuMmu[F] } = {
    translates: false,
    kernelRoot: 0,
    userRoot: 0,
    asidBits,
    asid: 0,
    isCanonical,
    setKernelRoot(pfn) {
      mmu.kernelRoot = pfn | 0;
      if (splitRoots) return;
      mmu.userRoot = pfn | 0;
      tlb.dropAsid(undefined);
    },
    setUserRoot(pfn, asid) {
      mmu.userRoot = pfn | 0;
      if (!splitRoots) mmu.kernelRoot = pfn | 0;
      if (asids) mmu.asid = asid;
      else tlb.dropAsid(undefined);
    },
    invalidatePage(high, low) {
      invalidateRange(high, low, 1);
    },
    invalidateRange,
    invalidateAsid(asid) {
      counters.tlbInvalidations++;
      observer?.tlbFlush?.(id, 0, 0, -1);
      tlb.dropAsid(asids ? asid : undefined);
    },
    invalidateAll() {
      counters.tlbInvalidations++;
      observer?.tlbFlush?.(id, 0, 0, -1);
      tlb.dropAll();
    },
    walk(high, low, visit) {
      if (!isCanonical(high)) return regime.nonCanonicalFault;
      const root = splitRoots && high >= 0 ? mmu.userRoot : mmu.kernelRoot;
      return walker.run(high, low, root, false, visit);
    },
    auditTlb: (visit) => audit(visit),
  };
  const audit = createTlbAudit({ regime, walker, tlb }, mmu);

  // Added to the object when it is made: V8 keeps one with an accessor in its literal, or in the place of a field, as a hash table.
  return Object.defineProperty(mmu, "enabled", {
    enumerable: true,
    get: () => mmu.translates,
    set(on: boolean) {
      mmu.translates = on;
      fast.clear();
    },
  }) as CpuMmu;
}
