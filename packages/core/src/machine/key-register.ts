import type { CpuCounters, Observers, Words } from "../contracts/index.js";
import { EMPTY_BANK } from "./fast-tags.js";

// Local copies: docs/performance.md, "Imported bindings".
const NO_BANK: number = EMPTY_BANK;

/** The banks of fast tags of a register's values. */
export interface Banks {
  /**
   * Finds or makes the bank of a value.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   * @returns index of the bank
   */
  select(high: number, low: number): number;
}

/** Fetches have no fast path. */
export const NO_BANKS: Banks = { select: () => NO_BANK };

/**
 * The key register of one CPU, or its register for fetches: the value written last and the value that decides accesses. They differ
 * between a write and its synchronisation, on architectures that need one.
 *
 * ```text
 *   arm64   MSR POR_EL1 ──> written      ISB, exception entry or return ──> written becomes effective
 *   x86     WRMSR IA32_PKRS ──> written and effective
 * ```
 */
export class KeyRegister {
  /** Bits 63 to 32 of the value written last. */
  writtenHigh = 0;
  /** Bits 31 to 0 of the value written last. */
  writtenLow = 0;
  /** Bits 63 to 32 of the value that decides accesses. */
  effectiveHigh = 0;
  /** Bits 31 to 0 of the value that decides accesses. */
  effectiveLow = 0;
  /** The bank of fast tags for the effective value; the empty one while a write waits for its synchronisation. */
  bank: number = NO_BANK;

  /**
   * @param id - number of the CPU
   * @param initial - the value after reset
   * @param needsBarrier - whether a write needs a barrier
   * @param banks - the fast path of the accesses that the register decides
   * @param counters - counts writes and barriers
   * @param observers - notified of them
   */
  constructor(
    private readonly id: number,
    private readonly initial: Words,
    private readonly needsBarrier: boolean,
    private readonly banks: Banks,
    private readonly counters: { pkeyRegisterWrites: number; barriers: number } & CpuCounters,
    private readonly observers: Observers,
  ) {
    this.reset();
  }

  /** Resets the register to the architecture's value. */
  reset(): void {
    const { high, low } = this.initial;
    this.writtenHigh = high;
    this.writtenLow = low;
    this.settle();
  }

  /** Writes the register. @param high - bits 63 to 32 @param low - bits 31 to 0 */
  write(high: number, low: number): void {
    this.counters.pkeyRegisterWrites++;
    this.writtenHigh = high | 0;
    this.writtenLow = low | 0;
    if (this.needsBarrier) this.bank = NO_BANK;
    else this.settle();
    const { current } = this.observers;
    if (current !== undefined) current.registerWrite?.(this.id, high, low, this.banks === NO_BANKS);
  }

  /** Executes a barrier, on architectures where a write needs one. */
  synchronise(): void {
    if (!this.needsBarrier) return;
    this.counters.barriers++;
    this.settle();
    const { current } = this.observers;
    if (current !== undefined) current.barrier?.(this.id);
  }

  /** Makes the value written last effective. */
  settle(): void {
    this.effectiveHigh = this.writtenHigh;
    this.effectiveLow = this.writtenLow;
    this.bank = this.banks.select(this.writtenHigh, this.writtenLow);
  }

  /** Whether a write waits for its synchronisation with a value that differs from the effective one. */
  isPending(): boolean {
    return this.writtenLow !== this.effectiveLow || this.writtenHigh !== this.effectiveHigh;
  }
}
