import type { CompiledContext, Cpu, Cpus, KpkeysArch, PkeyRegister } from "../contracts/index.js";
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
 * Contexts in one register: read it, change the fields of the managed keys, write it, synchronise (patch "arm64: Implement
 * asm/kpkeys.h using POE").
 */
export class MaskingKpkeysArch implements KpkeysArch {
  readonly counters: { -readonly [C in keyof KpkeysArch["counters"]]: number } = { registerWrites: 0, barriers: 0 };
  readonly pkeyNumbers: Readonly<Record<string, number>>;
  private readonly pkeys: boolean;
  private readonly skipEqualWrites: boolean;
  private readonly needsBarrier: boolean;
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
  }

  supportsKpkeys(): boolean {
    return this.pkeys;
  }

  supportsKpkeysEarly(): boolean {
    return this.pkeys;
  }

  enterContext({ clear, set }: CompiledContext, saved: Int32Array, slot: number): boolean {
    const cpu = (this.machineCpus ??= this.cpus()).current;
    const oldHigh = cpu.pkeyRegisterHigh;
    const oldLow = cpu.pkeyRegisterLow;
    const high = (oldHigh & ~clear.high) | set.high;
    const low = (oldLow & ~clear.low) | set.low;
    if (this.skipEqualWrites && low === oldLow && high === oldHigh) return false;
    saved[slot * 2] = oldHigh;
    saved[slot * 2 + 1] = oldLow;
    cpu.writePkeyRegister(high, low);
    this.finishWrite(cpu, false);
    return true;
  }

  leaveContext(saved: Int32Array, slot: number, barrierFollows: boolean): void {
    const cpu = (this.machineCpus ??= this.cpus()).current;
    cpu.writePkeyRegister(saved[slot * 2]!, saved[slot * 2 + 1]!);
    this.finishWrite(cpu, barrierFollows);
  }

  /** Counts and synchronises a write. It does not write itself: a method that writes any value would be a gadget. */
  private finishWrite(cpu: Cpu, barrierFollows: boolean): void {
    this.counters.registerWrites++;
    if (!this.needsBarrier || barrierFollows) return;
    cpu.synchronise();
    this.counters.barriers++;
  }
}
