import type { Cpus, KeyRegisters, PkeyRegister } from "@kpkeys/core/contracts";
import type { PtRegs } from "./exception-entry.js";
import type { KernelTasks } from "./process/tasks.js";

/**
 * Makes the service that reaches the key register wherever it is kept.
 * @param cpus - the live registers; a CPU whose translation is off gets its initial value when it comes up
 * @param register - the layout
 * @param tasks - gives the tasks, once there are any
 * @param saved - what exceptions saved
 */
export function createKeyRegisters(
  cpus: Cpus,
  register: PkeyRegister,
  tasks: () => KernelTasks | undefined,
  saved: readonly PtRegs[],
): KeyRegisters {
  return {
    grantEverywhere(pkey, rights) {
      const mask = register.fieldMask(pkey);
      const field = register.field(pkey, rights);
      const inHigh = (high: number): number => (high & ~mask.high) | field.high;
      const inLow = (low: number): number => (low & ~mask.low) | field.low;

      for (const cpu of cpus.all) {
        if (!cpu.mmu.enabled) continue;
        cpu.writePkeyRegister(inHigh(cpu.pkeyRegisterHigh), inLow(cpu.pkeyRegisterLow));
        // Here the exception's return synchronises, elsewhere the interrupt that brings the request.
        cpu.synchroniseByException();
      }
      tasks()?.mapSavedRegisters(inHigh, inLow);
      for (const regs of saved) {
        regs.high = inHigh(regs.high);
        regs.low = inLow(regs.low);
      }
    },
  };
}
