import { Prot } from "@kpkeys/core/contracts";
import type { FaultHandler } from "./fault.js";
import type { KernelMm } from "./mm.js";
import { isShared, VmFlag } from "./vma.js";

/** MCL_ bits of mlockall (include/uapi/asm-generic/mman.h). */
const MCL = { CURRENT: 1, FUTURE: 2, ONFAULT: 4 } as const;

/** Locking of mappings into memory (mm/mlock.c): for page tables, that they are filled at once. */
export interface Lock {
  /** See {@link AddressSpaces.mlock}. */
  mlock(mm: KernelMm, page: number, pages: number): void;
  /** See {@link AddressSpaces.munlock}. */
  munlock(mm: KernelMm, page: number, pages: number): void;
  /** See {@link AddressSpaces.mlockall}. */
  mlockall(mm: KernelMm, flags: number): void;
  /**
   * Fills what is locked of a range: after mremap enlarged a mapping, or mprotect made a private one writable.
   * @param mm - the address space
   * @param start - first virtual page
   * @param end - one past the last
   * @param prot - rights that a mapping must have to be filled
   */
  fillLocked(mm: KernelMm, start: number, end: number, prot?: number): void;
}

/** Makes it. @param faults - fills ranges */
export function createLock(faults: FaultHandler): Lock {
  function setLocked(mm: KernelMm, start: number, end: number, locked: boolean): void {
    for (const vma of mm.vmas.isolate(start, end)) {
      if (locked) vma.flags |= VmFlag.LOCKED;
      else vma.flags &= ~VmFlag.LOCKED;
    }
    mm.vmas.mergeAround(start, end);
  }

  /** `__mm_populate`: each mapping of a range, for holes and mappings without rights do not end it. */
  function fillLocked(mm: KernelMm, start: number, end: number, prot = 0): void {
    for (const vma of mm.vmas.inside(start, end)) {
      if ((vma.flags & VmFlag.LOCKED) === 0 || (vma.prot & prot) !== prot) continue;
      if (prot === Prot.WRITE && isShared(vma)) continue;
      faults.populate(mm, Math.max(start, vma.start), Math.min(end, vma.end));
    }
  }

  return {
    mlock(mm, page, pages) {
      setLocked(mm, page, page + pages, true);
      fillLocked(mm, page, page + pages);
    },
    munlock(mm, page, pages) {
      setLocked(mm, page, page + pages, false);
    },
    mlockall(mm, flags) {
      mm.locksFuture = (flags & MCL.FUTURE) !== 0 && (flags & MCL.ONFAULT) === 0;
      if (flags !== 0 && (flags & MCL.CURRENT) === 0) return;
      const locked = (flags & MCL.CURRENT) !== 0;
      setLocked(mm, 0, Infinity, locked);
      if (locked && (flags & MCL.ONFAULT) === 0) fillLocked(mm, 0, Infinity);
    },
    fillLocked,
  };
}
