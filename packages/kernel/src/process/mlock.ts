import { inject, injectable } from "@kpkeys/core";
import { Prot, toVpn } from "@kpkeys/core/contracts";
import type { Vpn } from "@kpkeys/core/contracts";
import { FaultHandler } from "./fault.js";
import type { KernelMm } from "./mm.js";
import { isShared, LOCKED_MASK, VmFlag } from "./vma.js";

/** Flag of mlock2 (include/uapi/asm-generic/mman-common.h). */
export const MLOCK_ONFAULT = 1;

/** MCL_ bits of mlockall (include/uapi/asm-generic/mman.h). */
const MCL = { CURRENT: 1, FUTURE: 2, ONFAULT: 4 } as const;

/** Locked mappings (mm/mlock.c). The model populates their page tables immediately. */
@injectable()
export class Mlock {
  constructor(@inject(FaultHandler) private readonly faults: FaultHandler) {}

  /**
   * `do_mlock`.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   * @param flags - 0 or {@link MLOCK_ONFAULT}
   */
  mlock(mm: KernelMm, start: Vpn, end: Vpn, flags: number): void {
    mm.vmas.changeFlags(start, end, LOCKED_MASK, (flags & MLOCK_ONFAULT) === 0 ? VmFlag.LOCKED : LOCKED_MASK);
    this.fillLocked(mm, start, end);
  }

  /** `munlock`. @param mm - the address space @param start - first virtual page @param end - one past the last */
  munlock(mm: KernelMm, start: Vpn, end: Vpn): void {
    mm.vmas.changeFlags(start, end, LOCKED_MASK, 0);
  }

  /** `apply_mlockall_flags`; `munlockall` with no flags. @param mm - the address space @param flags - MCL_ bits */
  mlockall(mm: KernelMm, flags: number): void {
    const locked = (flags & MCL.ONFAULT) === 0 ? VmFlag.LOCKED : LOCKED_MASK;
    mm.defaultFlags = (flags & MCL.FUTURE) === 0 ? 0 : locked;
    const isCurrent = (flags & MCL.CURRENT) !== 0;
    if (flags !== 0 && !isCurrent) return;
    const [start, end] = [toVpn(0), toVpn(Infinity)];
    mm.vmas.changeFlags(start, end, LOCKED_MASK, isCurrent ? locked : 0);
    this.fillLocked(mm, start, end);
  }

  /**
   * `populate_vma_page_range`: populates a part of a mapping. Does nothing with VM_LOCKONFAULT, even for MAP_POPULATE.
   * @param mm - the address space
   * @param flags - {@link VmFlag} bits of the mapping
   * @param start - first virtual page
   * @param end - one past the last
   */
  populate(mm: KernelMm, flags: number, start: Vpn, end: Vpn): void {
    if ((flags & VmFlag.LOCKONFAULT) === 0) this.faults.populate(mm, start, end);
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
      this.populate(mm, vma.flags, toVpn(Math.max(start, vma.start)), toVpn(Math.min(end, vma.end)));
    }
  }
}
