import { inject, injectable } from "@kpkeys/core";
import { Cpus, PageTableFormat, PageTables, toAsid } from "@kpkeys/core/contracts";
import type { Cpu, Mm } from "@kpkeys/core/contracts";
import { Asids } from "./asids.js";
import { KernelMm } from "./mm.js";

/** The address space whose tables each CPU's user root points to: `active_mm`. A kernel thread borrows that of the previous task. */
@injectable()
export class ActiveMm {
  private readonly active: (Mm | undefined)[];

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(Asids) private readonly asids: Asids,
  ) {
    this.active = cpus.all.map(() => undefined);
  }

  /** `switch_mm`. @param cpu - the CPU @param mm - its next address space; `undefined` for `init_mm` */
  switchTo(cpu: Cpu, mm: Mm | undefined): void {
    if (this.active[cpu.id] === mm) return;
    this.active[cpu.id] = mm;
    if (mm !== undefined) this.asids.switchTo(cpu, KernelMm.of(mm));
    else cpu.mmu.setUserRoot(this.format.geometry.splitRoots ? undefined : this.tables.root, toAsid(0));
  }

  /** Switches the CPUs that borrow an address space to `init_mm`, before it is torn down. @param mm - the address space */
  leave(mm: Mm): void {
    for (const cpu of this.cpus.all) if (this.active[cpu.id] === mm) this.switchTo(cpu, undefined);
  }
}
