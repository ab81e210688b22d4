import { KpkeysError } from "@kpkeys/core";
import type { ArchTools, Cpu, Cpus, ExtensionPoints, FaultReport } from "@kpkeys/core/contracts";
import type { ExceptionEntry } from "./exception-entry.js";

/**
 * The model kernel took a fault that nothing handles: what Linux would print as an oops. Carries the architecture's own report.
 */
export class KernelFault extends KpkeysError {
  /** The architecture's report, copied. */
  readonly report: FaultReport;

  /**
   * @param cpu - the CPU that faulted
   * @param tools - the architecture's words
   * @param doing - the function that faulted, by its kernel name
   */
  constructor(cpu: Cpu, tools: ArchTools, doing: string) {
    const report = { ...cpu.fault };
    const registers = tools.faultRegisters(report).map(({ name, text }) => `${name}=${text}`);
    super("ERR_KERNEL_FAULT", `${tools.describeFault(report)} (${registers.join(" ")})`, {
      where: `${doing}, CPU ${cpu.id}`,
    });
    this.report = report;
  }
}

/** How often an access is made again for a feature that says it has mended the cause: one that errs must not hold the machine up. */
const MAXIMUM_ATTEMPTS = 8;

/** The way of a fault that an access of the kernel itself took. */
export interface KernelFaults {
  /**
   * Takes the exception of the current CPU's last fault and asks the features.
   * @param attempt - how often this access has been made again before
   * @returns whether one has mended the cause, so that the access is to be made again
   */
  mended(attempt: number): boolean;
  /**
   * The same for an access that must not fail.
   * @param doing - the function that faulted, by its kernel name
   * @param attempt - how often this access has been made again before
   * @throws KernelFault when nobody has mended the cause
   */
  take(doing: string, attempt: number): void;
}

/**
 * Makes the way of faults.
 * @param cpus - whose current CPU faults
 * @param tools - words for an oops
 * @param extensions - the features asked
 * @param entry - what taking an exception does
 */
export function createKernelFaults(
  cpus: Cpus,
  tools: ArchTools,
  extensions: ExtensionPoints,
  entry: ExceptionEntry,
): KernelFaults {
  const handlers = extensions.handlers("kernelFault");

  function mended(attempt: number): boolean {
    const report = { ...cpus.current.fault };
    entry.enter();
    const isMended = attempt < MAXIMUM_ATTEMPTS && handlers.some((handler) => handler(report));
    entry.leave();
    return isMended;
  }

  return {
    mended,
    take(doing, attempt) {
      const oops = new KernelFault(cpus.current, tools, doing);
      if (!mended(attempt)) throw oops;
    },
  };
}
