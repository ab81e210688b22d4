import { FAULT, Access, FaultKind, Privilege } from "../contracts/index.js";
import type { FaultReport, WalkStep } from "../contracts/index.js";
import type { MmuParts, CpuMmu } from "./mmu.js";
import { NEEDS_DIRTY } from "./regime.js";
import { GLOBAL } from "./tlb.js";

// What is imported is loaded each time; what stands here is folded.
const { NONE, TRANSLATION } = FaultKind;
const { READ, RMW } = Access;
const FAULTED: number = FAULT;
const DIRTY: typeof NEEDS_DIRTY = NEEDS_DIRTY;
const ALL_SPACES: number = GLOBAL;

/** The key register: what was written last, and what rules until that is synchronised. */
export interface KeyRegister {
  /** Bits 63 to 32 as last written. */
  pkeyRegisterHigh: number;
  /** Bits 31 to 0 as last written. */
  pkeyRegisterLow: number;
  /** Bits 63 to 32 of the value that decides accesses. */
  rulingHigh: number;
  /** Bits 31 to 0 of the value that decides accesses. */
  rulingLow: number;
}

/** A fault report that can be filled in. */
type MutableReport = { -readonly [F in keyof FaultReport]: FaultReport[F] };

/** @returns a report of no fault */
export function createFaultReport(): MutableReport {
  return {
    kind: NONE,
    addressHigh: 0,
    addressLow: 0,
    syndromeHigh: 0,
    syndromeLow: 0,
    level: 0,
    entryHigh: 0,
    entryLow: 0,
    pkey: 0,
    access: READ,
    privilege: Privilege.KERNEL,
    pkeyRegisterHigh: 0,
    pkeyRegisterLow: 0,
  };
}

/** What a CPU's translation is made of. */
export interface TranslationParts extends MmuParts {
  /** The CPU's MMU. */
  readonly mmu: CpuMmu;
  /** The CPU's key register, and where its faults are reported. */
  readonly cpu: KeyRegister & { readonly fault: MutableReport };
}

/** The way of an access that no fast tag allows: TLB, walk, rights and key, access and dirty state, fault report. */
export interface Translation {
  /**
   * Translates and checks.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @param access - what is done
   * @param privilege - on whose behalf
   * @returns the TLB's entry that holds the translation, or {@link FAULT}
   */
  translate(high: number, low: number, access: Access, privilege: Privilege): number;
  /**
   * Faults by what the TLB holds. The tables are read again for the report only.
   * @param kind - which check failed
   * @param entry - the TLB's entry that holds the translation
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @param access - what was attempted
   * @param privilege - on whose behalf
   * @returns {@link FAULT}
   */
  deny(kind: FaultKind, entry: number, high: number, low: number, access: Access, privilege: Privilege): number;
}

/**
 * @param parts - what it is made of
 * @returns a CPU's translation
 */
export function createTranslation(parts: TranslationParts): Translation {
  const { id, regime, walker, tlb, counters, observer, mmu, cpu } = parts;
  const { walk } = walker;
  const { splitRoots, faultDropsTranslation, rmwReadsFirst = false, unwalkedLevel = 0 } = regime;
  const visit = observer?.walkStep === undefined ? undefined : (step: WalkStep) => observer.walkStep?.(step);
  const syndrome = { high: 0, low: 0 };
  const { fault } = cpu;

  function translate(addressHigh: number, low: number, access: Access, privilege: Privilege): number {
    const high = addressHigh | 0;
    if (!mmu.translates || !mmu.isCanonical(high)) return refuse(high, low, access, privilege);
    const entry = tlb.find(high, low, mmu.asid);
    if (entry === -1) return miss(high, low, access, privilege);
    const packed = tlb.attributes[entry]!;
    const verdict = regime.check(packed, access, privilege, cpu.rulingHigh, cpu.rulingLow);
    if (verdict === DIRTY) return miss(high, low, access, privilege);
    compareWithWritten(verdict, packed, high, low, access, privilege);
    return verdict === NONE ? entry : deny(verdict, entry, high, low, access, privilege);
  }

  /** Walks, checks and, unless the translation may not be kept, fills the TLB. */
  function miss(high: number, low: number, access: Access, privilege: Privilege): number {
    counters.walks++;
    let kind: FaultKind | -1 = walker.run(high, low, rootOf(high), true, visit);
    if (kind !== NONE) return raise(kind, 0, high, low, access, privilege);
    let packed = regime.attributes(walk);
    kind = regime.checkLeaf(walk);
    if (kind !== NONE) return raise(kind, packed, high, low, access, privilege);
    kind = regime.check(packed, access, privilege, cpu.rulingHigh, cpu.rulingLow);
    compareWithWritten(kind, packed, high, low, access, privilege);
    if (kind > NONE) {
      if (!faultDropsTranslation && isAccessed()) fill(high, low, packed);
      if (rmwReadsFirst && access === RMW && mayRead(packed, privilege) && updateLeaf(READ)) walker.writeLeaf();
      return raise(kind as FaultKind, packed, high, low, access, privilege);
    }
    if (updateLeaf(access)) {
      walker.writeLeaf();
      packed = regime.attributes(walk);
    }
    return fill(high, low, packed);
  }

  function mayRead(packed: number, privilege: Privilege): boolean {
    return regime.check(packed, READ, privilege, cpu.rulingHigh, cpu.rulingLow) === NONE;
  }

  function rootOf(high: number): number {
    return splitRoots && high >= 0 ? mmu.userRoot : mmu.kernelRoot;
  }

  /** @returns whether hardware changes the leaf for an access */
  function updateLeaf(access: Access): boolean {
    const { high, low } = walk;
    regime.updateLeaf(walk, access);
    return walk.high !== high || walk.low !== low;
  }

  /** @returns whether the leaf's accessed flag is set: no TLB holds a translation without it */
  function isAccessed(): boolean {
    const { high, low } = walk;
    const changed = updateLeaf(READ);
    walk.high = high;
    walk.low = low;
    return !changed;
  }

  function fill(high: number, low: number, packed: number): number {
    const asid = regime.isGlobal(walk) ? ALL_SPACES : mmu.asid;
    const entry = tlb.fill(high, low, asid, rootOf(high), walk, packed);
    if (tlb.entries !== 0) observer?.tlbFill?.(id, high, low);
    return entry;
  }

  /** Between a register write and its synchronisation: counts an access on which the two values disagree. */
  function compareWithWritten(
    verdict: FaultKind | -1,
    packed: number,
    high: number,
    low: number,
    access: Access,
    privilege: Privilege,
  ): void {
    if (cpu.pkeyRegisterLow === cpu.rulingLow && cpu.pkeyRegisterHigh === cpu.rulingHigh) return;
    const other = regime.check(packed, access, privilege, cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow);
    if (verdict > NONE === other > NONE) return;
    counters.unsynchronised++;
    observer?.unsynchronisedAccess?.(id, high, low);
  }

  function deny(
    kind: FaultKind,
    entry: number,
    high: number,
    low: number,
    access: Access,
    privilege: Privilege,
  ): number {
    walker.run(high, low, rootOf(high), false, undefined);
    walk.level = tlb.levels[entry]!;
    const packed = tlb.attributes[entry]!;
    if (faultDropsTranslation) tlb.drop(entry);
    return raise(kind, packed, high, low, access, privilege);
  }

  /** A fault before any walk: an address that is not canonical, or translation off. */
  function refuse(high: number, low: number, access: Access, privilege: Privilege): number {
    walk.level = unwalkedLevel;
    walk.high = 0;
    walk.low = 0;
    const kind = mmu.translates ? regime.nonCanonicalFault : TRANSLATION;
    return raise(kind, 0, high, low, access, privilege);
  }

  function raise(
    kind: FaultKind,
    packed: number,
    high: number,
    low: number,
    access: Access,
    privilege: Privilege,
  ): number {
    counters.faults++;
    regime.syndrome(kind, walk, packed, access, privilege, syndrome, cpu.rulingHigh, cpu.rulingLow);
    fault.kind = kind;
    fault.addressHigh = high | 0;
    fault.addressLow = low | 0;
    fault.syndromeHigh = syndrome.high;
    fault.syndromeLow = syndrome.low;
    fault.level = walk.level;
    fault.entryHigh = walk.high;
    fault.entryLow = walk.low;
    fault.pkey = regime.pkeyOf(packed);
    fault.access = access;
    fault.privilege = privilege;
    fault.pkeyRegisterHigh = cpu.rulingHigh;
    fault.pkeyRegisterLow = cpu.rulingLow;
    observer?.fault?.(id, fault);
    return FAULTED;
  }

  return { translate, deny };
}
