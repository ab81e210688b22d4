import { inject, injectable, KpkeysError } from "@kpkeys/core";
import { ArchTools, Cpus, ExtensionPoints } from "@kpkeys/core/contracts";
import type { Cpu, FaultReport } from "@kpkeys/core/contracts";
import { ExceptionEntry } from "./exception-entry.js";

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

/** Most retries of an access for a feature that reports it has repaired the cause: a feature that errs must not loop forever. */
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
   * Takes the exception of the current CPU's last fault and asks the features to repair the cause.
   * @param attempt - number of retries of this access so far
   * @returns whether a feature has repaired the cause, so that the access is retried
   */
  repaired(attempt: number): boolean {
    const report = { ...this.cpus.current.fault };
    this.entry.enter();
    const isRepaired = attempt < MAXIMUM_ATTEMPTS && this.handlers.some((handler) => handler(report));
    this.entry.leave();
    return isRepaired;
  }

  /**
   * The same for an access that must not fail.
   * @param doing - the function that faulted, by its kernel name
   * @param attempt - number of retries of this access so far
   * @throws KernelFault if no feature has repaired the cause
   */
  take(doing: string, attempt: number): void {
    const oops = new KernelFault(this.cpus.current, this.tools, doing);
    if (!this.repaired(attempt)) throw oops;
  }
}
