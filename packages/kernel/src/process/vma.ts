import { MapFlag, Prot } from "@kpkeys/core/contracts";
import type { PageTableFormat, Protection, Vpn } from "@kpkeys/core/contracts";

/** Flags of a mapping: the VM_ flags that affect page tables or merging. */
export const VmFlag = {
  /** Writes are visible in other mappings of the object: VM_SHARED. */
  SHARED: 0x1,
  /** A fault below the mapping extends it: VM_GROWSDOWN. */
  GROWSDOWN: 0x2,
  /** VM_NORESERVE. */
  NORESERVE: 0x4,
  /** Its pages are charged to the commit limit: VM_ACCOUNT. */
  ACCOUNT: 0x8,
  /** Populated when it is made or grows: VM_LOCKED. */
  LOCKED: 0x10,
  /** fork does not copy it: VM_DONTCOPY. */
  DONTCOPY: 0x20,
  /** The child gets an empty mapping: VM_WIPEONFORK. */
  WIPEONFORK: 0x40,
  /** VM_SEQ_READ. */
  SEQ_READ: 0x80,
  /** VM_RAND_READ. */
  RAND_READ: 0x100,
  /** VM_DONTDUMP. */
  DONTDUMP: 0x200,
  /** VM_HUGEPAGE. */
  HUGEPAGE: 0x400,
  /** VM_NOHUGEPAGE. */
  NOHUGEPAGE: 0x800,
  /** With LOCKED: never populated, its pages are locked when a fault maps them. VM_LOCKONFAULT. */
  LOCKONFAULT: 0x1000,
} as const;

/** The flags of locked mappings: VM_LOCKED_MASK. */
export const LOCKED_MASK: number = VmFlag.LOCKED | VmFlag.LOCKONFAULT;

/** A mapped range of an address space: `vm_area_struct`. */
export class Vma {
  /**
   * Page in the object minus page in the address space, from `vm_pgoff`. Mappings that continue each other have equal shifts. Starts as
   * -0, because mremap stores a double (docs/performance.md, "Classes").
   */
  shift = -0;
  /** Number of its anon_vma; 0 for none. The first write to a private page assigns it. fork copies the entries of mappings with one. */
  anonVma = 0;
  /** Whether fork assigned the anon_vma. A neighbour cannot share it then: the chain is not singular. */
  inherited = false;

  /**
   * @param start - first page
   * @param end - one past the last page
   * @param prot - PROT_ bits
   * @param flags - {@link VmFlag} bits
   * @param file - 0 for private anonymous memory, else the number of the mmap call that mapped a file or shared memory
   * @param anonymous - whether its pages do not belong to a file; true for shared memory
   */
  constructor(
    public start: Vpn,
    public end: Vpn,
    public prot: number,
    public flags: number,
    readonly file: number,
    readonly anonymous: boolean,
  ) {}

  /** A copy of the mapping for another range. */
  withRange(start: Vpn, end: Vpn): Vma {
    const vma = new Vma(start, end, this.prot, this.flags, this.file, this.anonymous);
    vma.shift = this.shift;
    vma.anonVma = this.anonVma;
    vma.inherited = this.inherited;
    return vma;
  }

  /** `unlink_anon_vmas`: after its private pages were freed or moved to another mapping. */
  unlinkAnonVma(): void {
    this.anonVma = 0;
    this.inherited = false;
  }
}

/** MAP_LOCKED and MAP_NORESERVE of include/uapi/asm-generic/mman.h. */
const MAP_LOCKED = 0x2000;
const MAP_NORESERVE = 0x4000;

/** Makes a mapping from the flags of mmap. @param file - a unique number, used if a file or shared memory is mapped */
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

/** Whether a mapping is shared. */
export function isShared({ flags }: Vma): boolean {
  return (flags & VmFlag.SHARED) !== 0;
}

/**
 * The protection of a leaf in a mapping: `vm_page_prot`. A page of a private mapping is read-only until it is written.
 * @param format - the codec
 * @param vma - the mapping
 * @param writable - whether the page may be written without a fault
 */
export function leafProtection(format: PageTableFormat, { prot }: Vma, writable: boolean): Protection {
  const { protections } = format;
  if ((prot & (Prot.READ | Prot.WRITE | Prot.EXEC)) === 0) return protections.PAGE_NONE;
  const executable = (prot & Prot.EXEC) !== 0;
  if (writable && (prot & Prot.WRITE) !== 0) return executable ? protections.PAGE_SHARED_EXEC : protections.PAGE_SHARED;
  return executable ? protections.PAGE_READONLY_EXEC : protections.PAGE_READONLY;
}
