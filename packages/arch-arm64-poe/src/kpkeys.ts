import { GENERIC_PKEY_NUMBERS } from "@kpkeys/core/machine";
import type { Cpus, KpkeysArch } from "@kpkeys/core/contracts";

/** Choices of {@link createKpkeysArch}. */
export interface KpkeysArchOptions {
  /** Whether the CPUs have FEAT_S1POE. */
  readonly pkeys: boolean;
  /** Whether entering a context writes nothing when the register's value would stay the same. */
  readonly skipEqualWrites: boolean;
}

/**
 * Makes contexts out of POR_EL1: read, change the managed keys' fields, write, ISB (patch "arm64: kpkeys: Implement kpkeys
 * support").
 *
 * @param findCpus - gives the machine's CPUs, of which the current one is switched; asked when a context is first entered, since
 *   keys are registered before there are CPUs
 * @param options - what the CPUs have and how contexts are entered
 * @returns what the framework calls
 */
export function createKpkeysArch(findCpus: () => Cpus, options: KpkeysArchOptions): KpkeysArch {
  const { pkeys, skipEqualWrites } = options;
  const counters = { registerWrites: 0, barriers: 0 };

  return {
    supportsKpkeys: () => pkeys,
    supportsKpkeysEarly: () => pkeys,
    pkeyNumbers: GENERIC_PKEY_NUMBERS,
    counters,
    enterContext({ clear, set }, saved, slot) {
      const cpu = findCpus().current;
      const oldHigh = cpu.pkeyRegisterHigh;
      const oldLow = cpu.pkeyRegisterLow;
      const high = (oldHigh & ~clear.high) | set.high;
      const low = (oldLow & ~clear.low) | set.low;
      if (skipEqualWrites && low === oldLow && high === oldHigh) return false;
      saved[slot * 2] = oldHigh;
      saved[slot * 2 + 1] = oldLow;
      cpu.writePkeyRegister(high, low);
      cpu.synchronise();
      counters.registerWrites++;
      counters.barriers++;
      return true;
    },
    leaveContext(saved, slot, barrierFollows) {
      const cpu = findCpus().current;
      cpu.writePkeyRegister(saved[slot * 2]!, saved[slot * 2 + 1]!);
      counters.registerWrites++;
      if (barrierFollows) return;
      cpu.synchronise();
      counters.barriers++;
    },
  };
}
