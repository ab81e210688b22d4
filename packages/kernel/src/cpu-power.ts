import { KpkeysError } from "@kpkeys/core";
import type { CpuPower, Cpus, ExtensionPoints, Words } from "@kpkeys/core/contracts";
import type { KernelTasks } from "./process/tasks.js";

/**
 * Makes suspend and resume of CPUs.
 * @param cpus - the CPUs
 * @param tasks - a CPU suspends in its idle task
 * @param extensions - the features told
 * @param initial - what the key register gets on resume; `undefined` when the kernel forgets it
 */
export function createCpuPower(
  cpus: Cpus,
  tasks: KernelTasks,
  extensions: ExtensionPoints,
  initial: Words | undefined,
): CpuPower {
  const onResume = extensions.handlers("cpuResume");

  function check(id: number, on: boolean): void {
    const state = cpus.all[id]?.mmu.enabled;
    if (state === on) return;
    throw new KpkeysError(
      "ERR_API_MISUSE",
      `CPU ${id} is ${state === undefined ? "not there" : on ? "suspended" : "not"}`,
      {
        where: on ? "suspend" : "resume",
        expected: on ? "a CPU that runs" : "a CPU that is suspended",
      },
    );
  }

  return {
    suspend(id) {
      check(id, true);
      tasks.idle(id);
      cpus.all[id]!.reset();
    },
    resume(id) {
      check(id, false);
      const cpu = cpus.all[id]!;
      cpu.mmu.enabled = true;
      if (initial !== undefined) {
        cpu.writePkeyRegister(initial.high, initial.low);
        cpu.synchronise();
      }
      for (const handler of onResume) handler(id);
    },
  };
}
