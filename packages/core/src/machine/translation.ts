import { FAULT, Access, FaultKind, Privilege } from "../contracts/index.js";
import type { FaultReport, WalkStep } from "../contracts/index.js";
import type { KeyRegister } from "./key-register.js";
import type { CpuMmu, MmuParts } from "./mmu.js";
import { NEEDS_DIRTY } from "./regime.js";
import { GLOBAL } from "./tlb.js";

// Local copies: docs/performance.md, "Imported bindings".
const { NONE, TRANSLATION } = FaultKind;
const { READ, RMW, FETCH } = Access;
const FAULTED: typeof FAULT = FAULT;
const DIRTY: typeof NEEDS_DIRTY = NEEDS_DIRTY;
const ALL_SPACES: number = GLOBAL;

/** A writable fault report. */
type MutableReport = { -readonly [F in keyof FaultReport]: FaultReport[F] };

function noFault(): MutableReport {
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

/** The slow path of an access: TLB, walk, rights and key, access and dirty state, fault report. */
export class Translation {
  /** The report of the last fault. */
  readonly fault: MutableReport = noFault();
  private readonly syndrome = { high: 0, low: 0 };
  private readonly reportStep = (step: WalkStep): void => {
    this.parts.observers.current?.walkStep?.(this.parts.id, step);
  };

  /**
   * @param parts - the parts of the CPU's translation
   * @param mmu - the roots
   * @param keys - the key register
   * @param fetchKeys - the register that decides fetches: the key register if there is no other
   */
  constructor(
    private readonly parts: MmuParts,
    private readonly mmu: CpuMmu,
    private readonly keys: KeyRegister,
    private readonly fetchKeys: KeyRegister,
  ) {}

  /**
   * Translates an address and checks the access.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @param access - the kind of access
   * @param privilege - the privilege of the access
   * @returns the TLB entry that holds the translation, or {@link FAULT}
   */
  translate(high: number, low: number, access: Access, privilege: Privilege): number {
    const { mmu } = this;
    const keys = this.keysFor(access);
    const { tlb, regime } = this.parts;
    if (!mmu.enabled || !mmu.isCanonical(high)) return this.raiseWithoutWalk(high, low, access, privilege);
    const entry = tlb.find(high, low, mmu.asid);
    if (entry === -1) return this.miss(high, low, access, privilege);
    const packed = tlb.attributes[entry]!;
    const verdict = regime.check(packed, access, privilege, keys.effectiveHigh, keys.effectiveLow);
    if (verdict === DIRTY) return this.miss(high, low, access, privilege);
    if (keys.isPending()) this.compareWithWritten(verdict, packed, high, low, access, privilege);
    return verdict === NONE ? entry : this.raiseFromTlb(verdict, entry, high, low, access, privilege);
  }

  /**
   * Raises a fault for a translation in the TLB. The tables are walked again only for the report.
   * @param kind - the check that failed
   * @param entry - the TLB entry that holds the translation
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @param access - the kind of access
   * @param privilege - the privilege of the access
   * @returns {@link FAULT}
   */
  raiseFromTlb(
    kind: FaultKind,
    entry: number,
    high: number,
    low: number,
    access: Access,
    privilege: Privilege,
  ): typeof FAULT {
    const { walker, tlb, regime } = this.parts;
    walker.run(high, low, this.mmu.rootOf(high), this.mmu.userRootIndex, false, undefined);
    walker.walk.level = tlb.levels[entry]!;
    const packed = tlb.attributes[entry]!;
    if (regime.faultDropsTranslation) tlb.drop(entry);
    return this.raise(kind, packed, high, low, access, privilege);
  }

  /** The register that decides accesses of a kind. */
  private keysFor(access: Access): KeyRegister {
    return access === FETCH ? this.fetchKeys : this.keys;
  }

  /** A TLB miss: walks and checks. Fills the TLB if the access is allowed, or if the architecture keeps a translation that denies it. */
  private miss(high: number, low: number, access: Access, privilege: Privilege): number {
    const keys = this.keysFor(access);
    const { regime, walker, counters, observers } = this.parts;
    const { walk } = walker;
    counters.walks++;
    const visit = observers.current?.walkStep === undefined ? undefined : this.reportStep;
    const walked = walker.run(high, low, this.mmu.rootOf(high), this.mmu.userRootIndex, true, visit);
    if (walked !== NONE) return this.raise(walked, 0, high, low, access, privilege);
    const packed = regime.attributes(walk);
    const refused = regime.checkLeaf(walk);
    if (refused !== NONE) return this.raise(refused, packed, high, low, access, privilege);
    const kind = regime.check(packed, access, privilege, keys.effectiveHigh, keys.effectiveLow);
    if (keys.isPending()) this.compareWithWritten(kind, packed, high, low, access, privilege);
    if (kind > NONE) {
      if (!regime.faultDropsTranslation && this.isAccessed()) this.fill(high, low, packed);
      if (access === RMW && regime.rmwReadsFirst === true) this.readBeforeFault(packed, privilege);
      return this.raise(kind as FaultKind, packed, high, low, access, privilege);
    }
    if (!this.updateLeaf(access)) return this.fill(high, low, packed);
    walker.writeLeaf();
    return this.fill(high, low, regime.attributes(walk));
  }

  /** Sets the accessed flag for a read-modify-write that may read but not write. */
  private readBeforeFault(packed: number, privilege: Privilege): void {
    const { regime, walker } = this.parts;
    const mayRead = regime.check(packed, READ, privilege, this.keys.effectiveHigh, this.keys.effectiveLow) === NONE;
    if (mayRead && this.updateLeaf(READ)) walker.writeLeaf();
  }

  /** @returns whether hardware changes the leaf for an access */
  private updateLeaf(access: Access): boolean {
    const { regime, walker } = this.parts;
    const { high, low } = walker.walk;
    regime.updateLeaf(walker.walk, access);
    return walker.walk.high !== high || walker.walk.low !== low;
  }

  /** @returns whether the leaf's accessed flag is set: no TLB holds a translation without it */
  private isAccessed(): boolean {
    const { walk } = this.parts.walker;
    const { high, low } = walk;
    const changed = this.updateLeaf(READ);
    walk.high = high;
    walk.low = low;
    return !changed;
  }

  private fill(high: number, low: number, packed: number): number {
    const { regime, walker, tlb, observers, id } = this.parts;
    const asid = regime.isGlobal(walker.walk) ? ALL_SPACES : this.mmu.asid;
    const entry = tlb.fill(high, low, asid, this.mmu.rootOf(high), this.mmu.userRootIndex, walker.walk, packed);
    if (tlb.entries !== 0) observers.current?.tlbFill?.(id, high, low);
    return entry;
  }

  /** Counts an access between a register write and its synchronisation, if the two values give different outcomes. */
  private compareWithWritten(
    verdict: FaultKind | -1,
    packed: number,
    high: number,
    low: number,
    access: Access,
    privilege: Privilege,
  ): void {
    const { regime, counters, observers, id } = this.parts;
    const { writtenHigh, writtenLow } = this.keysFor(access);
    const other = regime.check(packed, access, privilege, writtenHigh, writtenLow);
    if (verdict > NONE === other > NONE) return;
    counters.unsynchronised++;
    observers.current?.unsynchronisedAccess?.(id, high, low);
  }

  /** A fault without a walk: the address is not canonical, or translation is off. */
  private raiseWithoutWalk(high: number, low: number, access: Access, privilege: Privilege): number {
    const { regime, walker } = this.parts;
    walker.walk.level = regime.unwalkedLevel ?? 0;
    walker.walk.high = 0;
    walker.walk.low = 0;
    const kind = this.mmu.enabled ? regime.nonCanonicalFault : TRANSLATION;
    return this.raise(kind, 0, high, low, access, privilege);
  }

  private raise(
    kind: FaultKind,
    packed: number,
    high: number,
    low: number,
    access: Access,
    privilege: Privilege,
  ): typeof FAULT {
    const { regime, walker, counters, observers, id } = this.parts;
    const { fault, syndrome } = this;
    const keys = this.keysFor(access);
    const { walk } = walker;
    counters.faults++;
    regime.syndrome(kind, walk, packed, access, privilege, syndrome, keys.effectiveHigh, keys.effectiveLow);
    fault.kind = kind;
    fault.addressHigh = high;
    fault.addressLow = low;
    fault.syndromeHigh = syndrome.high;
    fault.syndromeLow = syndrome.low;
    fault.level = walk.level;
    fault.entryHigh = walk.high;
    fault.entryLow = walk.low;
    fault.pkey = regime.pkeyOf(packed);
    fault.access = access;
    fault.privilege = privilege;
    fault.pkeyRegisterHigh = keys.effectiveHigh;
    fault.pkeyRegisterLow = keys.effectiveLow;
    observers.current?.fault?.(id, fault);
    return FAULTED;
  }
}
