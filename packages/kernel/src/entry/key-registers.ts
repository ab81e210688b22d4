import { inject, injectable } from "@kpkeys/core";
import { Cpus, PkeyRegister } from "@kpkeys/core/contracts";
import type { KeyRegisters, Rights } from "@kpkeys/core/contracts";
import { ExceptionEntry } from "./exception-entry.js";
import type { KernelTasks } from "../process/tasks.js";

/** Changes all copies of the key register: of CPUs, of tasks that do not run, and of exceptions that have not returned. */
@injectable()
export class SavedKeyRegisters implements KeyRegisters {
  private tasks: KernelTasks | undefined;

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(PkeyRegister) private readonly register: PkeyRegister,
    @inject(ExceptionEntry) private readonly entry: ExceptionEntry,
  ) {}

  /** Includes the registers saved in tasks. @param tasks - the tasks */
  attachTasks(tasks: KernelTasks): void {
    this.tasks = tasks;
  }

  grantEverywhere(pkey: number, rights: Rights): void {
    const mask = this.register.fieldMask(pkey);
    const field = this.register.field(pkey, rights);
    const inHigh = (high: number): number => (high & ~mask.high) | field.high;
    const inLow = (low: number): number => (low & ~mask.low) | field.low;

    for (const cpu of this.cpus.all) {
      // A CPU with translation off starts or resumes with the initial value or the reset value.
      if (!cpu.mmu.enabled) continue;
      cpu.writePkeyRegister(inHigh(cpu.pkeyRegisterHigh), inLow(cpu.pkeyRegisterLow));
      // The exception return synchronises the current CPU. The interrupt that carries the request synchronises each other CPU.
      cpu.synchroniseByException();
    }
    this.tasks?.mapSavedRegisters(inHigh, inLow);
    for (const regs of this.entry.saved) {
      regs.high = inHigh(regs.high);
      regs.low = inLow(regs.low);
    }
  }
}
