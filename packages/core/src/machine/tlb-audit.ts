import { Access, FaultKind } from "../contracts/index.js";
import type { CpuMmu, MmuParts } from "./mmu.js";
import { GLOBAL } from "./tlb.js";

const { READ, WRITE } = Access;

/**
 * Makes the comparison of a TLB with the tables, which finds a forgotten invalidation: a translation that hardware may still
 * use though the tables say otherwise (Arm ARM, "TLB maintenance requirements" and "Using break-before-make"; SDM volume 3,
 * 4.10.4 "Invalidation of TLBs and Paging-Structure Caches").
 *
 * @param parts - the MMU's
 * @param mmu - whose roots the walks begin at
 * @returns tells the page of each stale translation and counts them
 */
export function createTlbAudit(
  { regime, walker, tlb }: Pick<MmuParts, "regime" | "walker" | "tlb">,
  mmu: Pick<CpuMmu, "asid" | "kernelRoot" | "userRoot">,
): (visit: (high: number, low: number) => void) => number {
  const { walk } = walker;

  /** Another address space's root is not in a register: its translations are held against the one they were made from. */
  function rootOf(entry: number, high: number): number {
    if (regime.splitRoots && high < 0) return mmu.kernelRoot;
    const asid = tlb.asids[entry]!;
    return asid === GLOBAL || asid === mmu.asid ? mmu.userRoot : tlb.roots[entry]!;
  }

  function isStale(entry: number, high: number, low: number): boolean {
    if (walker.run(high, low, rootOf(entry, high), false, undefined) !== FaultKind.NONE) return true;
    if (walk.pfn !== tlb.pfns[entry] || walk.level !== tlb.levels[entry]) return true;
    if (tlb.isGlobal(entry) && !regime.isGlobal(walk)) return true;
    // No TLB holds a page that was not accessed, and the kernels that age pages let it be: the accessed flag is not compared.
    regime.updateLeaf(walk, READ);
    const now = regime.attributes(walk);
    return now !== tlb.attributes[entry] && !isMadeBeforeWrite(entry, now);
  }

  /** Whether a translation differs only in that its page has become dirty since: then a write walks again. */
  function isMadeBeforeWrite(entry: number, now: number): boolean {
    walk.high = tlb.leavesHigh[entry]!;
    walk.low = tlb.leavesLow[entry]!;
    if (regime.attributes(walk) !== tlb.attributes[entry]) return false;
    regime.updateLeaf(walk, WRITE);
    return regime.attributes(walk) === now;
  }

  return (visit) => {
    let stale = 0;
    tlb.forEach((entry, high, low) => {
      if (!isStale(entry, high, low)) return;
      stale++;
      visit(high, low);
    });
    return stale;
  };
}
