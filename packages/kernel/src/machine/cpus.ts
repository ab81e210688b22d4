import type { Cpu, Cpus } from "@kpkeys/core/contracts";

/**
 * Changes the current CPU. A machine with one CPU never stores `current`, so V8 treats it as a constant.
 * @param cpus - the machine's CPUs
 * @param cpu - the new current CPU
 */
export function runOn(cpus: Cpus, cpu: Cpu): void {
  if (cpus.current !== cpu) cpus.current = cpu;
}
