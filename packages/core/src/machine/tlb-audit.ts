import { Access, FaultKind } from "../contracts/index.js";
import type { TranslationRegime } from "./regime.js";
import { GLOBAL } from "./tlb.js";
import type { Tlb } from "./tlb.js";
import type { Walker } from "./walker.js";

const { READ, WRITE } = Access;

/** The parts of an MMU that the audit reads. */
export interface TlbAuditParts {
  /** The architecture's rules. */
  readonly regime: TranslationRegime;
  /** Walks the tables. */
  readonly walker: Walker;
  /** The translations. */
  readonly tlb: Tlb;
  /** The roots and the current address space. */
  readonly roots: { readonly asid: number; rootOf(high: number): number; readonly userRootIndex: number };
}

/**
 * Compares a TLB with the tables to find a missing invalidation: a translation that hardware can still use after the tables changed (Arm
 * ARM, "TLB maintenance" and "Using break-before-make when updating translation table entries"; SDM volume 3, "Invalidation of TLBs and
 * Paging-Structure Caches").
 *
 * @param parts - the TLB and the tables
 * @param visit - receives the two words of the page address of each stale translation
 * @returns the number of stale translations
 */
export function auditTlb(parts: TlbAuditParts, visit: (high: number, low: number) => void): number {
  let stale = 0;
  parts.tlb.forEach((entry, high, low) => {
    if (!isStale(parts, entry, high, low)) return;
    stale++;
    visit(high, low);
  });
  return stale;
}

/** Whether to compare a translation with the current root. The root of another address space is in no register. */
function isOfCurrentRoot({ regime, tlb, roots }: TlbAuditParts, entry: number, high: number): boolean {
  const isKernels = regime.splitRoots && high < 0;
  const asid = tlb.asids[entry]!;
  return isKernels || asid === GLOBAL || asid === roots.asid;
}

function isStale(parts: TlbAuditParts, entry: number, high: number, low: number): boolean {
  const { regime, walker, tlb, roots } = parts;
  const { walk } = walker;
  const isCurrent = isOfCurrentRoot(parts, entry, high);
  const root = isCurrent ? roots.rootOf(high) : tlb.roots[entry]!;
  const rootIndex = isCurrent ? roots.userRootIndex : tlb.rootIndexes[entry]!;
  if (walker.run(high, low, root, rootIndex, false, undefined) !== FaultKind.NONE) return true;
  if (walk.pfn !== tlb.pfns[entry] || walk.level !== tlb.levels[entry]) return true;
  if (tlb.isGlobal(entry) && !regime.isGlobal(walk)) return true;
  // The accessed flag is not compared: Linux clears it without an invalidation.
  regime.updateLeaf(walk, READ);
  const now = regime.attributes(walk);
  return now !== tlb.attributes[entry] && !isMadeBeforeWrite(parts, entry, now);
}

/** Whether the only difference is that the page has become dirty since: a write then walks again. */
function isMadeBeforeWrite({ regime, walker: { walk }, tlb }: TlbAuditParts, entry: number, now: number): boolean {
  walk.high = tlb.leavesHigh[entry]!;
  walk.low = tlb.leavesLow[entry]!;
  if (regime.attributes(walk) !== tlb.attributes[entry]) return false;
  regime.updateLeaf(walk, WRITE);
  return regime.attributes(walk) === now;
}
