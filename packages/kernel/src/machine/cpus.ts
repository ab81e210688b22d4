import type { Cpu, Cpus } from "@kpkeys/core/contracts";

/**
 * Goes on to another CPU. Where there is one alone nothing is stored: the compiler then takes the current CPU for a constant.
 * @param cpus - the machine's
 * @param cpu - the one on which the code runs from now on
 */
export function runOn(cpus: Cpus, cpu: Cpu): void {
  if (cpus.current !== cpu) cpus.current = cpu;
}
