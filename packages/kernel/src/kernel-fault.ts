import { KpkeysError } from "@kpkeys/core";
import type { ArchTools, Cpu, FaultReport } from "@kpkeys/core/contracts";

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
