import { Errno, OK } from "@kpkeys/core/contracts";
import type { Cpus, Exceptions, ExtensionPoints } from "@kpkeys/core/contracts";
import type { KernelLazyMmu } from "./mm/lazy-mmu.js";

/**
 * Makes exceptions: a handler inherits the interrupted key register, as in the newest form of the series (v7 dropped the reset
 * on entry).
 * @param cpus - the CPUs
 * @param lazy - where the depth of interrupts counts
 * @param extensions - the features told
 */
export function createExceptions(cpus: Cpus, lazy: KernelLazyMmu, extensions: ExtensionPoints): Exceptions {
  const onEntry = extensions.handlers("exceptionEntry");
  const onExit = extensions.handlers("exceptionExit");
  return {
    get inInterrupt() {
      return lazy.interruptDepth > 0;
    },
    interrupt(handler) {
      cpus.current.synchroniseByException();
      lazy.interruptDepth++;
      for (const entered of onEntry) entered();
      handler();
      for (const leaving of onExit) leaving();
      lazy.interruptDepth--;
      cpus.current.synchroniseByException();
    },
    copyToKernelNofault(high, low, valueHigh, valueLow) {
      const cpu = cpus.current;
      if (cpu.store64(high, low, valueHigh, valueLow) === OK) return 0;
      cpu.synchroniseByException();
      return Errno.EFAULT;
    },
  };
}
