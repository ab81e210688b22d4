import { inject, injectable } from "@kpkeys/core";
import { Cpus, toAsid } from "@kpkeys/core/contracts";
import type { Cpu } from "@kpkeys/core/contracts";
import { TlbFlush } from "../mm/tlb-flush.js";
import type { KernelMm } from "./mm.js";

/**
 * Address-space identifiers, which tag the TLB entries of processes: arch/arm64/mm/context.c. A context id is `generation + ASID`.
 * Generations are multiples of the number of ASIDs, so an id is current if it is not less than the generation. The ASID of a freed
 * address space is not reused in the same generation. If no ASID is free, a new generation starts: running address spaces keep their
 * ASIDs, and each CPU flushes its TLB before its next switch. There must be more ASIDs than CPUs. On an architecture without ASIDs a
 * CPU flushes its user translations at each switch.
 */
@injectable()
export class Asids {
  /** Number of ASIDs; 1 on an architecture without them. */
  private readonly count: number;
  /** ASIDs in use in this generation; 0 is for `init_mm`. */
  private readonly used: Uint8Array;
  /** The context id of each CPU; 0 if it has not switched since the last rollover. */
  private readonly active: number[];
  /** The context id of each CPU at the last rollover. */
  private readonly reserved: number[];
  private readonly mustFlush: boolean[];
  private generation: number;
  private latest = 1;

  constructor(
    @inject(Cpus) { all }: Cpus,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
  ) {
    this.count = this.generation = 2 ** all[0]!.mmu.asidBits;
    this.used = new Uint8Array(this.count);
    this.active = all.map(() => 0);
    this.reserved = all.map(() => 0);
    this.mustFlush = all.map(() => false);
  }

  /**
   * Switches a CPU to an address space. Assigns an ASID of the current generation first: `check_and_switch_context`.
   * @param cpu - the CPU
   * @param mm - the address space
   */
  switchTo(cpu: Cpu, mm: KernelMm): void {
    if (this.count > 1) this.renew(cpu, mm);
    cpu.mmu.setUserRoot(mm.root, mm.asid, mm.rootIndex);
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

  /** `new_context`: the previous ASID of the address space if it is free, else the next free one. */
  private newId(old: number): number {
    if (old !== 0) {
      const asid = old % this.count;
      const renewed = this.generation + asid;
      if (this.keepsReserved(old, renewed)) return renewed;
      if (this.used[asid] === 0) {
        this.used[asid] = 1;
        return renewed;
      }
    }
    let asid = this.used.indexOf(0, this.latest);
    if (asid < 0) {
      this.rollOver();
      asid = this.used.indexOf(0, 1);
    }
    this.used[asid] = 1;
    this.latest = asid;
    return this.generation + asid;
  }

  /** `check_update_reserved_asid`: a running address space keeps its ASID. @returns whether a CPU runs it */
  private keepsReserved(id: number, renewed: number): boolean {
    let found = false;
    this.reserved.forEach((other, cpu) => {
      if (other !== id) return;
      this.reserved[cpu] = renewed;
      found = true;
    });
    return found;
  }

  /** `flush_context`. A CPU that has not switched since the last rollover still runs its reserved context. */
  private rollOver(): void {
    this.generation += this.count;
    this.used.fill(0);
    this.reserved.forEach((id, cpu) => {
      const current = this.active[cpu] !== 0 ? this.active[cpu]! : id;
      this.reserved[cpu] = current;
      this.active[cpu] = 0;
      this.used[current % this.count] = 1;
      this.mustFlush[cpu] = true;
    });
  }
}
