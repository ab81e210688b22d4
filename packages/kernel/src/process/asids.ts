import type { Cpu, Cpus } from "@kpkeys/core/contracts";
import type { TlbFlush } from "../mm/tlb-flush.js";
import type { KernelMm } from "./mm.js";

/** The address-space identifiers that tell the TLB entries of processes apart: arch/arm64/mm/context.c. */
export interface Asids {
  /**
   * Switches a CPU to an address space, which first gets an ASID of the current generation: `check_and_switch_context`.
   * @param cpu - the CPU
   * @param mm - the address space
   */
  switchTo(cpu: Cpu, mm: KernelMm): void;
}

/** {@link Asids} of an architecture without them: the CPU drops its user translations at each switch. */
const WITHOUT_ASIDS: Asids = {
  switchTo(cpu, mm) {
    cpu.mmu.setUserRoot(mm.root, 0);
  },
};

/**
 * Makes the ASID allocator. A context id is `generation + ASID`, and generations are multiples of the number of ASIDs, so that an
 * id is of the current generation when it is not below it. An ASID is not reused when its address space is gone. When all are
 * taken a new generation begins: the ASIDs of the address spaces that run now stay reserved, and each CPU drops its translations
 * before its next switch. There must be more ASIDs than CPUs.
 *
 * @param cpus - the CPUs, whose MMUs have ASIDs of one width
 * @param tlb - invalidates a CPU's translations at a rollover
 */
export function createAsids({ all }: Cpus, tlb: TlbFlush): Asids {
  const { asidBits } = all[0]!.mmu;
  if (asidBits === 0) return WITHOUT_ASIDS;
  const count = 2 ** asidBits;
  /** ASIDs of this generation by number; 0 is for `init_mm`. */
  const taken = new Uint8Array(count);
  /** The context id that each CPU runs; 0 since a rollover. */
  const active = all.map(() => 0);
  /** The context id that each CPU ran at the last rollover. */
  const reserved = all.map(() => 0);
  const mustFlush = all.map(() => false);
  let generation = count;
  let latest = 1;

  /** `flush_context`. A CPU that has not switched since the last rollover still runs what was reserved then. */
  function rollOver(): void {
    generation += count;
    taken.fill(0);
    all.forEach((_, cpu) => {
      if (active[cpu] !== 0) reserved[cpu] = active[cpu]!;
      active[cpu] = 0;
      taken[reserved[cpu]! % count] = 1;
      mustFlush[cpu] = true;
    });
  }

  /** `check_update_reserved_asid`: an address space that a CPU runs keeps its ASID. */
  function keepsReserved(id: number, renewed: number): boolean {
    let found = false;
    reserved.forEach((other, cpu) => {
      if (other !== id) return;
      reserved[cpu] = renewed;
      found = true;
    });
    return found;
  }

  /** `new_context`: the ASID that the address space had if it is free, else the next free one. */
  function newId(old: number): number {
    if (old !== 0) {
      const asid = old % count;
      if (keepsReserved(old, generation + asid)) return generation + asid;
      if (taken[asid] === 0) {
        taken[asid] = 1;
        return generation + asid;
      }
    }
    let asid = taken.indexOf(0, latest);
    if (asid < 0) {
      rollOver();
      asid = taken.indexOf(0, 1);
    }
    taken[asid] = 1;
    latest = asid;
    return generation + asid;
  }

  return {
    switchTo(cpu, mm) {
      if (mm.contextId < generation) {
        mm.contextId = newId(mm.contextId);
        mm.asid = mm.contextId % count;
      }
      if (mustFlush[cpu.id]!) {
        mustFlush[cpu.id] = false;
        tlb.cpu(cpu);
      }
      active[cpu.id] = mm.contextId;
      cpu.mmu.setUserRoot(mm.root, mm.asid);
    },
  };
}
