import { KpkeysError } from "@kpkeys/core";
import { Errno, OK } from "@kpkeys/core/contracts";
import type { Cpus, Exceptions } from "@kpkeys/core/contracts";
import { runOn } from "./cpus.js";
import type { ExceptionEntry } from "./exception-entry.js";
import type { KernelFaults } from "./kernel-fault.js";
import type { KernelLazyMmu } from "./mm/lazy-mmu.js";
import type { KernelTasks } from "./process/tasks.js";

/**
 * Makes interrupts, and accesses that may fail.
 * @param cpus - the CPUs
 * @param lazy - where the depth of interrupts counts
 * @param entry - what entry and return do
 * @param faults - who may mend a fault before it is fixed up
 * @param tasks - gives the tasks, once there are any
 * @param irqStacks - first virtual page of the IRQ stack of each CPU that has one mapped by vmalloc; filled in while the kernel boots
 */
export function createExceptions(
  cpus: Cpus,
  lazy: KernelLazyMmu,
  entry: ExceptionEntry,
  faults: KernelFaults,
  tasks: () => KernelTasks | undefined,
  irqStacks: readonly number[],
): Exceptions {
  return {
    counters: entry.counters,
    get inInterrupt() {
      return lazy.inInterrupt();
    },
    interrupt(handler, irqExit) {
      if (irqExit !== undefined && lazy.inInterrupt()) {
        throw new KpkeysError("ERR_API_MISUSE", "an interrupt of an interrupt returns to it", {
          where: `CPU ${cpus.current.id}`,
          expected: "work in task context on the way out of the outermost one",
        });
      }
      const cpu = cpus.current;
      const interrupted = tasks()?.current;
      entry.enter();
      lazy.enterInterrupt();
      handler();
      runOn(cpus, cpu);
      lazy.leaveInterrupt();
      irqExit?.();
      if (interrupted !== undefined) tasks()!.backTo(interrupted);
      entry.leave();
    },
    copyToKernelNofault(high, low, valueHigh, valueLow) {
      for (let attempt = 0; cpus.current.store64(high, low, valueHigh, valueLow) !== OK; attempt++) {
        if (!faults.mended(attempt)) return Errno.EFAULT;
      }
      return 0;
    },
    irqStackPage: (cpu) => irqStacks[cpu] ?? -1,
  };
}
