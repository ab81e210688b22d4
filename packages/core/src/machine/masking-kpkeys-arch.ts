import type { CompiledContext, Cpu, Cpus, KpkeysArch, PkeyRegister } from "../contracts/index.js";
import { changePkeyValue, pkeyValueOf, updatePkeyValue, writePkeyValue } from "../pkey-value.js";
import { GENERIC_PKEY_NUMBERS } from "./pkey-numbers.js";

/** Options of {@link MaskingKpkeysArch}. */
export interface MaskingOptions {
  /** The key register. If it needs a barrier, each write is followed by one. */
  readonly register: PkeyRegister;
  /** Whether the CPUs have kernel pkeys. */
  readonly pkeys: boolean;
  /** Whether entering a context skips the write if the register's value does not change. */
  readonly skipEqualWrites: boolean;
  /** Numbers of the keys; those of {@link GENERIC_PKEY_NUMBERS} if left out. */
  readonly pkeyNumbers?: Readonly<Record<string, number>>;
}

/**
 * Contexts in the key register: read it, change the fields of the managed keys, write it, synchronise (patch "arm64: Implement
 * asm/kpkeys.h using POE"). The register for fetches, if there is one, changes before the same barrier.
 */
export class MaskingKpkeysArch implements KpkeysArch {
  readonly counters: { -readonly [C in keyof KpkeysArch["counters"]]: number } = { registerWrites: 0, barriers: 0 };
  readonly pkeyNumbers: Readonly<Record<string, number>>;
  private readonly pkeys: boolean;
  private readonly skipEqualWrites: boolean;
  private readonly needsBarrier: boolean;
  private readonly hasFetchRegister: boolean;
  /** The machine's CPUs, once a context was entered. */
  private machineCpus: Cpus | undefined = undefined;

  /**
   * @param cpus - returns the machine's CPUs; called from the first entry of a context on, because keys are registered before CPUs exist
   * @param options - the register, support in the CPUs, and the form of context entry
   */
  constructor(
    private readonly cpus: () => Cpus,
    { register, pkeys, skipEqualWrites, pkeyNumbers = GENERIC_PKEY_NUMBERS }: MaskingOptions,
  ) {
    this.pkeyNumbers = pkeyNumbers;
    this.pkeys = pkeys;
    this.skipEqualWrites = skipEqualWrites;
    this.needsBarrier = register.synchronisation === "barrier";
    this.hasFetchRegister = register.fetchName !== undefined;
  }

  supportsKpkeys(): boolean {
    return this.pkeys;
  }

  supportsKpkeysEarly(): boolean {
    return this.pkeys;
  }

  enterContext(context: CompiledContext, saved: Int32Array, slot: number): boolean {
    const cpu = (this.machineCpus ??= this.cpus()).current;
    if (this.hasFetchRegister) {
      const writes = enterBoth(cpu, context, saved, slot * 4, this.skipEqualWrites);
      if (writes > 0) this.finishWrites(cpu, writes, false);
      return writes > 0;
    }
    const { clear, set } = context;
    const oldHigh = cpu.pkeyRegisterHigh;
    const oldLow = cpu.pkeyRegisterLow;
    const high = (oldHigh & ~clear.high) | set.high;
    const low = (oldLow & ~clear.low) | set.low;
    if (this.skipEqualWrites && low === oldLow && high === oldHigh) return false;
    saved[slot * 4] = oldHigh;
    saved[slot * 4 + 1] = oldLow;
    cpu.writePkeyRegister(high, low);
    this.finishWrites(cpu, 1, false);
    return true;
  }

  leaveContext(saved: Int32Array, slot: number, barrierFollows: boolean): void {
    const cpu = (this.machineCpus ??= this.cpus()).current;
    if (this.hasFetchRegister) {
      this.finishWrites(cpu, leaveBoth(cpu, saved, slot * 4, this.skipEqualWrites), barrierFollows);
      return;
    }
    cpu.writePkeyRegister(saved[slot * 4]!, saved[slot * 4 + 1]!);
    this.finishWrites(cpu, 1, barrierFollows);
  }

  /** Counts and synchronises writes. It does not write itself: a method that writes any value would be a gadget. */
  private finishWrites(cpu: Cpu, writes: number, barrierFollows: boolean): void {
    this.counters.registerWrites += writes;
    if (!this.needsBarrier || barrierFollows) return;
    cpu.synchronise();
    this.counters.barriers++;
  }
}

/**
 * Enters a context in two registers. With `skipsEqual`, only the registers whose value changes are written.
 * @returns the number of writes; nothing is saved if there is none
 */
function enterBoth(cpu: Cpu, context: CompiledContext, saved: Int32Array, at: number, skipsEqual: boolean): number {
  const old = pkeyValueOf(cpu);
  const value = changePkeyValue(old, context.clear, context.set);
  const writes = skipsEqual ? updatePkeyValue(cpu, value) : writePkeyValue(cpu, value);
  if (writes > 0) saved.set([old.high, old.low, old.fetch!.high, old.fetch!.low], at);
  return writes;
}

/** Restores two registers. @returns the number of writes */
function leaveBoth(cpu: Cpu, saved: Int32Array, at: number, skipsEqual: boolean): number {
  const fetch = { high: saved[at + 2]!, low: saved[at + 3]! };
  const value = { high: saved[at]!, low: saved[at + 1]!, fetch };
  return skipsEqual ? updatePkeyValue(cpu, value) : writePkeyValue(cpu, value);
}
