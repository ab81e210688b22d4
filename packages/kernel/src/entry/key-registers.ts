import { changePkeyValue, inject, injectable, pkeyValueOf, writePkeyValue } from "@kpkeys/core";
import { Cpus, PkeyRegister } from "@kpkeys/core/contracts";
import type { KeyRegisters, PkeyValue, Rights } from "@kpkeys/core/contracts";
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
    const granting = (value: PkeyValue): PkeyValue => changePkeyValue(value, mask, field);

    for (const cpu of this.cpus.all) {
      // A CPU with translation off starts or resumes with the initial value or the reset value.
      if (!cpu.mmu.enabled) continue;
      writePkeyValue(cpu, granting(pkeyValueOf(cpu)));
      // The exception return synchronises the current CPU. The interrupt that carries the request synchronises each other CPU.
      cpu.synchroniseByException();
    }
    this.tasks?.mapSavedRegisters(granting);
    for (const [at, value] of this.entry.saved.entries()) this.entry.saved[at] = granting(value);
  }
}
