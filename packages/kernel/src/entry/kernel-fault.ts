import { inject, injectable, KpkeysError } from "@kpkeys/core";
import { ArchTools, Cpus, ExtensionPoints } from "@kpkeys/core/contracts";
import type { Cpu, FaultReport } from "@kpkeys/core/contracts";
import { ExceptionEntry } from "./exception-entry.js";

/**
 * An unhandled fault of the model kernel, where Linux prints an oops. Code ERR_KERNEL_FAULT.
 */
export class KernelFault extends KpkeysError {
  /** A copy of the fault report. */
  readonly report: FaultReport;

  /**
   * @param cpu - the CPU that faulted
   * @param tools - describes the fault
   * @param doing - kernel name of the function that faulted
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

/** Maximum retries of an access: a feature that wrongly reports a repair must not cause an endless loop. */
const MAXIMUM_ATTEMPTS = 8;

/** Handles faults of the kernel's own accesses. */
@injectable()
export class KernelFaults {
  private readonly handlers: readonly ((fault: FaultReport) => boolean)[];

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(ArchTools) private readonly tools: ArchTools,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
    @inject(ExceptionEntry) private readonly entry: ExceptionEntry,
  ) {
    this.handlers = extensions.handlers("kernelFault");
  }

  /**
   * Runs the exception of the current CPU's last fault and the features' fault handlers.
   * @param attempt - number of retries of this access so far
   * @returns whether a feature repaired the cause, so that the caller retries the access
   */
  repaired(attempt: number): boolean {
    const report = { ...this.cpus.current.fault };
    this.entry.enter();
    const isRepaired = attempt < MAXIMUM_ATTEMPTS && this.handlers.some((handler) => handler(report));
    this.entry.leave();
    return isRepaired;
  }

  /**
   * {@link repaired} for an access that must not fail.
   * @param doing - kernel name of the function that faulted
   * @param attempt - number of retries of this access so far
   * @throws KernelFault if no feature repaired the cause
   */
  repairOrOops(doing: string, attempt: number): void {
    const oops = new KernelFault(this.cpus.current, this.tools, doing);
    if (!this.repaired(attempt)) throw oops;
  }
}
