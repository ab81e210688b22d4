import { GENERIC_PKEY_NUMBERS } from "@kpkeys/core/machine";
import type { Cpus, KpkeysArch } from "@kpkeys/core/contracts";

/** Choices of {@link createKpkeysArch}. */
export interface KpkeysArchOptions {
  /** Whether the CPUs have PKS. */
  readonly pkeys: boolean;
  /** Whether entering a context writes nothing when the register's value would stay the same. */
  readonly skipEqualWrites: boolean;
}

/**
 * Makes contexts out of IA32_PKRS, in the form in which the series has arm64 do it. A WRMSR to IA32_PKRS is ordered before all
 * later accesses that its keys control, as WRPKRU is (SDM, volume 2), so there is never anything to synchronise.
 *
 * @param cpus - gives the machine's CPUs, of which the current one is switched; asked when a context is first entered, since
 *   keys are registered before there are CPUs
 * @param options - what the CPUs have and how contexts are entered
 * @returns what the framework calls
 */
export function createKpkeysArch(cpus: () => Cpus, options: KpkeysArchOptions): KpkeysArch {
  const { pkeys, skipEqualWrites } = options;
  const counters = { registerWrites: 0, barriers: 0 };

  return {
    supportsKpkeys: () => pkeys,
    supportsKpkeysEarly: () => pkeys,
    pkeyNumbers: GENERIC_PKEY_NUMBERS,
    counters,
    enterContext(context, saved, slot) {
      const cpu = cpus().current;
      const old = cpu.pkeyRegisterLow;
      const value = (old & ~context.clear.low) | context.set.low;
      if (skipEqualWrites && value === old) return false;
      saved[slot * 2] = 0;
      saved[slot * 2 + 1] = old;
      cpu.writePkeyRegister(0, value);
      counters.registerWrites++;
      return true;
    },
    leaveContext(saved, slot) {
      cpus().current.writePkeyRegister(0, saved[slot * 2 + 1]!);
      counters.registerWrites++;
    },
  };
}
