import type { CompiledContext, Cpu, Cpus, KpkeysArch, PkeyRegister } from "../contracts/index.js";
import { GENERIC_PKEY_NUMBERS } from "./pkey-numbers.js";

/** What {@link MaskingKpkeysArch} has to know of an architecture. */
export interface MaskingOptions {
  /** The key register. If it takes a barrier, each write is followed by one. */
  readonly register: PkeyRegister;
  /** Whether the CPUs have kernel pkeys. */
  readonly pkeys: boolean;
  /** Whether entering a context writes nothing when the register's value would stay the same. */
  readonly skipEqualWrites: boolean;
  /** Numbers of the keys; those of {@link GENERIC_PKEY_NUMBERS} if left out. */
  readonly pkeyNumbers?: Readonly<Record<string, number>>;
}

/**
 * Contexts by masking one register: read, change the managed keys' fields, write, synchronise (patch "arm64: kpkeys: Implement kpkeys
 * support", whose form the other architectures take).
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
   * @param cpus - gives the machine's CPUs, of which the current one is switched; called when a context is first entered, since keys are
   *   registered before there are CPUs
   * @param options - the register, what the CPUs have and how contexts are entered
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

  /** Counts and synchronises a write. The write itself is not here: a method that takes any value would be a gadget. */
  private finishWrite(cpu: Cpu, barrierFollows: boolean): void {
    this.counters.registerWrites++;
    if (!this.needsBarrier || barrierFollows) return;
    cpu.synchronise();
    this.counters.barriers++;
  }
}
