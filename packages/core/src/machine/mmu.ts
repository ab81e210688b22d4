import { toPfn } from "../contracts/numbers.js";
import type { Pfn } from "../contracts/numbers.js";
import type { CpuCounters, FaultKind, Mmu, Observers, WalkStep } from "../contracts/index.js";
import type { FastTags } from "./fast-tags.js";
import type { TranslationRegime } from "./regime.js";
import { auditTlb } from "./tlb-audit.js";
import type { Tlb } from "./tlb.js";
import { NO_ROOT } from "./walker.js";
import type { Walker } from "./walker.js";

/** The parts of a CPU's translation. */
export interface MmuParts {
  /** The CPU's number. */
  readonly id: number;
  /** The architecture's rules. */
  readonly regime: TranslationRegime;
  /** The CPU's walker, for accesses and tools. */
  readonly walker: Walker;
  /** The CPU's translations. */
  readonly tlb: Tlb;
  /** The fast path of kernel-mode accesses. */
  readonly fast: FastTags;
  /** The CPU's counters. */
  readonly counters: CpuCounters;
  /** Notified of walks, fills, invalidations and faults. */
  readonly observers: Observers;
}

/** The roots and the TLB of one CPU. Translation is off and both roots are 0 until the kernel sets them. */
export class CpuMmu implements Mmu {
  /** Page-frame number of the kernel's top-level table. */
  kernelRoot: Pfn = toPfn(0);
  /** Page-frame number of the user's top-level table. */
  userRoot: Pfn | undefined = toPfn(0);
  /** Index of its first entry in its page. */
  userRootIndex = 0;
  /** Bits of an ASID; 0 without ASIDs. */
  readonly asidBits: number;
  /** The address space of user translations; 0 without ASIDs. */
  asid = 0;
  private translates = false;
  private readonly splitRoots: boolean;
  private readonly signShift: number;

  /** @param parts - the parts of the CPU's translation */
  constructor(private readonly parts: MmuParts) {
    const { asidBits, splitRoots, addressBits } = parts.regime;
    this.asidBits = asidBits;
    this.splitRoots = splitRoots;
    // With split roots, bits 63 to addressBits select the root; otherwise they are copies of bit addressBits - 1.
    this.signShift = addressBits - 32 - (splitRoots ? 0 : 1);
  }

  get enabled(): boolean {
    return this.translates;
  }

  set enabled(on: boolean) {
    this.translates = on;
    this.parts.fast.clear();
  }

  /** Whether the bits above the significant ones are as the architecture requires. @param high - bits 63 to 32 of the address */
  isCanonical(high: number): boolean {
    const upper = high >> this.signShift;
    return upper === 0 || upper === -1;
  }

  /** The root that translates an address. @param high - bits 63 to 32 of the address, as an int32 */
  rootOf(high: number): number {
    return this.splitRoots && high >= 0 ? (this.userRoot ?? NO_ROOT) : this.kernelRoot;
  }

  setKernelRoot(pfn: number): void {
    this.kernelRoot = toPfn(pfn | 0);
    if (this.splitRoots) return;
    this.userRoot = toPfn(pfn | 0);
    this.parts.tlb.dropAsid(undefined);
  }

  setUserRoot(pfn: Pfn | undefined, asid: number, index = 0): void {
    this.userRoot = pfn;
    this.userRootIndex = index;
    if (!this.splitRoots && pfn !== undefined) this.kernelRoot = pfn;
    if (this.asidBits > 0) this.asid = asid;
    else this.parts.tlb.dropAsid(undefined);
  }

  invalidatePage(high: number, low: number): void {
    this.invalidateRange(high, low, 1);
  }

  invalidateRange(high: number, low: number, pages: number): void {
    this.countInvalidation(high, low, pages);
    this.parts.tlb.dropRange(high, low, pages);
  }

  invalidateAsid(asid: number): void {
    this.countInvalidation(0, 0, -1);
    this.parts.tlb.dropAsid(this.asidBits > 0 ? asid : undefined);
  }

  invalidateFrames(pfn: Pfn, pages: number): void {
    this.countInvalidation(0, 0, -1);
    this.parts.tlb.dropFrames(pfn, pages);
  }

  invalidateAll(): void {
    this.countInvalidation(0, 0, -1);
    this.parts.tlb.dropAll();
  }

  walk(high: number, low: number, visit?: (step: WalkStep) => void): FaultKind {
    const { regime, walker } = this.parts;
    if (!this.isCanonical(high)) return regime.nonCanonicalFault;
    return walker.run(high | 0, low | 0, this.rootOf(high | 0), this.userRootIndex, false, visit);
  }

  auditTlb(visit: (high: number, low: number) => void): number {
    return auditTlb({ ...this.parts, roots: this }, visit);
  }

  private countInvalidation(high: number, low: number, pages: number): void {
    this.parts.counters.tlbInvalidations++;
    this.parts.observers.current?.tlbFlush?.(this.parts.id, high, low, pages);
  }
}
