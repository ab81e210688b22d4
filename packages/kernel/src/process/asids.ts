import { inject, injectable } from "@kpkeys/core";
import { Cpus, toAsid } from "@kpkeys/core/contracts";
import type { Cpu } from "@kpkeys/core/contracts";
import { TlbFlush } from "../mm/tlb-flush.js";
import type { KernelMm } from "./mm.js";

/**
 * The address-space identifiers that distinguish the TLB entries of processes: arch/arm64/mm/context.c. A context id is
 * `generation + ASID`, and generations are multiples of the number of ASIDs, so that an id is of the current generation when it is
 * not below it. An ASID is not reused when its address space is gone. When all are taken a new generation begins: the ASIDs of the
 * address spaces that run now stay reserved, and each CPU drops its translations before its next switch. There must be more ASIDs
 * than CPUs. On an architecture without ASIDs a CPU drops its user translations at each switch.
 */
@injectable()
export class Asids {
  /** Number of ASIDs; 1 on an architecture without them. */
  private readonly count: number;
  /** ASIDs of this generation by number; 0 is for `init_mm`. */
  private readonly taken: Uint8Array;
  /** The context id that each CPU runs; 0 since a rollover. */
  private readonly active: number[];
  /** The context id that each CPU ran at the last rollover. */
  private readonly reserved: number[];
  private readonly mustFlush: boolean[];
  private generation: number;
  private latest = 1;

  constructor(
    @inject(Cpus) { all }: Cpus,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
  ) {
    this.count = this.generation = 2 ** all[0]!.mmu.asidBits;
    this.taken = new Uint8Array(this.count);
    this.active = all.map(() => 0);
    this.reserved = all.map(() => 0);
    this.mustFlush = all.map(() => false);
  }

  /**
   * Switches a CPU to an address space, which first gets an ASID of the current generation: `check_and_switch_context`.
   * @param cpu - the CPU
   * @param mm - the address space
   */
  switchTo(cpu: Cpu, mm: KernelMm): void {
    if (this.count > 1) this.renew(cpu, mm);
    cpu.mmu.setUserRoot(mm.root, mm.asid);
  }

  private renew(cpu: Cpu, mm: KernelMm): void {
    if (mm.contextId < this.generation) {
      mm.contextId = this.newId(mm.contextId);
      mm.asid = toAsid(mm.contextId % this.count);
    }
    if (this.mustFlush[cpu.id]!) {
      this.mustFlush[cpu.id] = false;
      this.tlb.cpu(cpu);
    }
    this.active[cpu.id] = mm.contextId;
  }

  /** `new_context`: the ASID that the address space had if it is free, else the next free one. */
  private newId(old: number): number {
    if (old !== 0) {
      const asid = old % this.count;
      const renewed = this.generation + asid;
      if (this.keepsReserved(old, renewed)) return renewed;
      if (this.taken[asid] === 0) {
        this.taken[asid] = 1;
        return renewed;
      }
    }
    let asid = this.taken.indexOf(0, this.latest);
    if (asid < 0) {
      this.rollOver();
      asid = this.taken.indexOf(0, 1);
    }
    this.taken[asid] = 1;
    this.latest = asid;
    return this.generation + asid;
  }

  /** `check_update_reserved_asid`: an address space that a CPU runs keeps its ASID. */
  private keepsReserved(id: number, renewed: number): boolean {
    let found = false;
    this.reserved.forEach((other, cpu) => {
      if (other !== id) return;
      this.reserved[cpu] = renewed;
      found = true;
    });
    return found;
  }

  /** `flush_context`. A CPU that has not switched since the last rollover still runs what was reserved then. */
  private rollOver(): void {
    this.generation += this.count;
    this.taken.fill(0);
    this.reserved.forEach((id, cpu) => {
      const current = this.active[cpu] !== 0 ? this.active[cpu]! : id;
      this.reserved[cpu] = current;
      this.active[cpu] = 0;
      this.taken[current % this.count] = 1;
      this.mustFlush[cpu] = true;
    });
  }
}
