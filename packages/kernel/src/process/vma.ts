import { MapFlag, Prot } from "@kpkeys/core/contracts";
import type { Vpn } from "@kpkeys/core/contracts";

/** What a mapping has besides its rights: the VM_ flags that decide what becomes of its page tables, or keep it from merging. */
export const VmFlag = {
  /** Writes are seen by others that map the same: VM_SHARED. */
  SHARED: 0x1,
  /** It grows downward on faults below it: VM_GROWSDOWN. */
  GROWSDOWN: 0x2,
  /** VM_NORESERVE. */
  NORESERVE: 0x4,
  /** Its pages are charged to the commit limit: VM_ACCOUNT. */
  ACCOUNT: 0x8,
  /** It is filled when it is made or grows: VM_LOCKED. */
  LOCKED: 0x10,
  /** fork leaves it out: VM_DONTCOPY. */
  DONTCOPY: 0x20,
  /** fork gives the child an empty one: VM_WIPEONFORK. */
  WIPEONFORK: 0x40,
  /** VM_SEQ_READ. */
  SEQ_READ: 0x80,
  /** VM_RAND_READ. */
  RAND_READ: 0x100,
  /** VM_DONTDUMP. */
  DONTDUMP: 0x200,
  /** madvise asked for huge pages: VM_HUGEPAGE. */
  HUGEPAGE: 0x400,
  /** madvise asked for none: VM_NOHUGEPAGE. */
  NOHUGEPAGE: 0x800,
} as const;

/** A mapped range of an address space: `vm_area_struct`. */
export class Vma {
  /**
   * Page in the object less page in the address space: `vm_pgoff`, so that neighbours that continue each other have the same. It starts
   * as -0, because mremap stores a double (docs/performance.md, "Classes").
   */
  shift = -0;
  /** Its anon_vma by number, 0 for none: it has one from the first private page written on, and fork copies its entries then. */
  anonVma = 0;
  /** Whether that came of a parent's at fork, so that it does not spread to a neighbour: the chain is not singular. */
  inherited = false;

  /**
   * @param start - first page
   * @param end - one past the last page
   * @param prot - PROT_ bits
   * @param flags - {@link VmFlag} bits
   * @param file - 0 for private anonymous memory, else a number of the mmap call that mapped a file or shared memory
   * @param anonymous - whether its pages belong to no file; those of shared memory belong to none
   */
  constructor(
    public start: Vpn,
    public end: Vpn,
    public prot: number,
    public flags: number,
    readonly file: number,
    readonly anonymous: boolean,
  ) {}

  /** The same mapping of another range. */
  over(start: Vpn, end: Vpn): Vma {
    const vma = new Vma(start, end, this.prot, this.flags, this.file, this.anonymous);
    vma.shift = this.shift;
    vma.anonVma = this.anonVma;
    vma.inherited = this.inherited;
    return vma;
  }

  /** `unlink_anon_vmas`: its private pages are gone, or another mapping has them. */
  unlinkAnonVma(): void {
    this.anonVma = 0;
    this.inherited = false;
  }
}

/** MAP_LOCKED and MAP_NORESERVE of include/uapi/asm-generic/mman.h. */
const MAP_LOCKED = 0x2000;
const MAP_NORESERVE = 0x4000;

/** Makes a mapping from the flags of mmap. @param file - a number that no other mmap has when a file or shared memory is mapped */
export function newVma(start: Vpn, end: Vpn, prot: number, flags: number, file = 0): Vma {
  const shared = (flags & MapFlag.SHARED) !== 0;
  const anonymous = (flags & MapFlag.ANONYMOUS) !== 0;
  const accounted = (prot & Prot.WRITE) !== 0 && !shared && (flags & MAP_NORESERVE) === 0;
  const vmFlags =
    (shared ? VmFlag.SHARED : 0) |
    ((flags & MapFlag.GROWSDOWN) !== 0 ? VmFlag.GROWSDOWN : 0) |
    ((flags & MAP_NORESERVE) !== 0 ? VmFlag.NORESERVE : 0) |
    (accounted ? VmFlag.ACCOUNT : 0) |
    ((flags & MAP_LOCKED) !== 0 ? VmFlag.LOCKED : 0);
  return new Vma(start, end, prot, vmFlags, anonymous && !shared ? 0 : file, anonymous);
}

/** Whether others see what is written to a mapping. */
export function isShared({ flags }: Vma): boolean {
  return (flags & VmFlag.SHARED) !== 0;
}
