import type { Cpus, KpkeysArch } from "@kpkeys/core/contracts";

/** The numbers of the keys, PGTABLES and CRED the other way round. */
const PKEY_NUMBERS = { DEFAULT: 0, PGTABLES: 2, CRED: 1 };

/**
 * Makes contexts out of KPR: read, change the managed keys' fields, write, barrier.
 *
 * @param findCpus - gives the machine's CPUs, of which the current one is switched
 * @param pkeys - whether the CPUs have keys
 * @param skipEqualWrites - whether entering a context writes nothing when the value would stay the same
 */
export function createKpkeysArch(findCpus: () => Cpus, pkeys: boolean, skipEqualWrites: boolean): KpkeysArch {
  const counters = { registerWrites: 0, barriers: 0 };
  return {
    supportsKpkeys: () => pkeys,
    supportsKpkeysEarly: () => pkeys,
    pkeyNumbers: PKEY_NUMBERS,
    counters,
    enterContext({ clear, set }, saved, slot) {
      const cpu = findCpus().current;
      const { pkeyRegisterHigh: oldHigh, pkeyRegisterLow: oldLow } = cpu;
      const high = (oldHigh & ~clear.high) | set.high;
      if (skipEqualWrites && high === oldHigh) return false;
      saved[slot * 2] = oldHigh;
      saved[slot * 2 + 1] = oldLow;
      cpu.writePkeyRegister(high, oldLow);
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
