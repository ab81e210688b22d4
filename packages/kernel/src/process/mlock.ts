import { inject, injectable } from "@kpkeys/core";
import { Prot, toVpn } from "@kpkeys/core/contracts";
import type { Vpn } from "@kpkeys/core/contracts";
import { FaultHandler } from "./fault.js";
import type { KernelMm } from "./mm.js";
import { isShared, VmFlag } from "./vma.js";

/** MCL_ bits of mlockall (include/uapi/asm-generic/mman.h). */
const MCL = { CURRENT: 1, FUTURE: 2, ONFAULT: 4 } as const;

/** Locked mappings (mm/mlock.c). The model populates their page tables immediately. */
@injectable()
export class Mlock {
  constructor(@inject(FaultHandler) private readonly faults: FaultHandler) {}

  /** `mlock`. @param mm - the address space @param start - first virtual page @param end - one past the last */
  mlock(mm: KernelMm, start: Vpn, end: Vpn): void {
    mm.vmas.changeFlags(start, end, 0, VmFlag.LOCKED);
    this.fillLocked(mm, start, end);
  }

  /** `munlock`. @param mm - the address space @param start - first virtual page @param end - one past the last */
  munlock(mm: KernelMm, start: Vpn, end: Vpn): void {
    mm.vmas.changeFlags(start, end, VmFlag.LOCKED, 0);
  }

  /** `mlockall`, and `munlockall` with no flags. @param mm - the address space @param flags - MCL_ bits */
  mlockall(mm: KernelMm, flags: number): void {
    mm.locksFuture = (flags & MCL.FUTURE) !== 0 && (flags & MCL.ONFAULT) === 0;
    const locked = (flags & MCL.CURRENT) !== 0;
    if (flags !== 0 && !locked) return;
    const [start, end] = [toVpn(0), toVpn(Infinity)];
    mm.vmas.changeFlags(start, end, VmFlag.LOCKED, locked ? VmFlag.LOCKED : 0);
    if (locked && (flags & MCL.ONFAULT) === 0) this.fillLocked(mm, start, end);
  }

  /**
   * `__mm_populate`: populates each locked mapping of a range. Skips holes and mappings without rights.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   * @param prot - rights that a mapping must have
   */
  fillLocked(mm: KernelMm, start: Vpn, end: Vpn, prot = 0): void {
    for (const vma of mm.vmas.inside(start, end)) {
      if ((vma.flags & VmFlag.LOCKED) === 0 || (vma.prot & prot) !== prot) continue;
      if (prot === Prot.WRITE && isShared(vma)) continue;
      this.faults.populate(mm, toVpn(Math.max(start, vma.start)), toVpn(Math.min(end, vma.end)));
    }
  }
}
