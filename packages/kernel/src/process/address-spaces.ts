import { inject, injectable } from "@kpkeys/core";
import { Errno, MapFlag, PageTableFormat, PgtableArch, Prot, toVpn } from "@kpkeys/core/contracts";
import type { Access, AddressSpaces, Mm, Privilege, Vpn } from "@kpkeys/core/contracts";
import { pageOfAddress } from "../mm/addresses.js";
import { Sections } from "../mm/sections.js";
import { FaultHandler } from "./fault.js";
import { Fork } from "./fork.js";
import { Madvise } from "./madvise.js";
import { Mlock, MLOCK_ONFAULT } from "./mlock.js";
import { KernelMm } from "./mm.js";
import { Mprotect } from "./mprotect.js";
import { Mremap } from "./mremap.js";
import { Unmap } from "./unmap.js";
import { UserTables } from "./user-tables.js";
import { newVma, VmFlag } from "./vma.js";

/** Maximum number of mappings of an address space: DEFAULT_MAX_MAP_COUNT of include/linux/mm.h. */
const MAXIMUM_MAPPINGS = 65530;

/** The rights in `prot`: `calc_vm_prot_bits`. */
const RIGHTS = Prot.READ | Prot.WRITE | Prot.EXEC;
/** Bits of `prot` that mprotect accepts and ignores: PROT_SEM, PROT_GROWSDOWN, PROT_GROWSUP. */
const IGNORED_PROT = 0x0300_0008;

/** The lowest mappable address in bytes: `vm.mmap_min_addr`. */
const MINIMUM_ADDRESS = 0x10000;

/** MAP_NONBLOCK of include/uapi/asm-generic/mman.h: disables MAP_POPULATE. */
const MAP_NONBLOCK = 0x10000;

/** The address spaces of a machine. Checks the arguments of system calls and runs each as an operation. */
@injectable()
export class KernelAddressSpaces implements AddressSpaces {
  private readonly alive = new Map<number, KernelMm>();
  readonly all: Iterable<Mm> = { [Symbol.iterator]: () => this.alive.values() };
  /** Number of address spaces created so far. */
  private made = 0;
  /** Number of mmap calls so far, which identifies files. */
  private files = 0;
  private readonly minimumPage: number;
  private readonly userEnd: number;

  constructor(
    @inject(PageTableFormat) { geometry }: PageTableFormat,
    @inject(PgtableArch) arch: PgtableArch,
    @inject(UserTables) private readonly userTables: UserTables,
    @inject(Sections) private readonly sections: Sections,
    @inject(Unmap) private readonly unmap: Unmap,
    @inject(FaultHandler) private readonly faultHandler: FaultHandler,
    @inject(Fork) private readonly copies: Fork,
    @inject(Mprotect) private readonly protect: Mprotect,
    @inject(Mremap) private readonly remap: Mremap,
    @inject(Madvise) private readonly advice: Madvise,
    @inject(Mlock) private readonly locking: Mlock,
  ) {
    this.minimumPage = Math.ceil(MINIMUM_ADDRESS / 2 ** geometry.pageShift);
    this.userEnd = pageOfAddress(arch.layout.userEnd, geometry.pageShift);
  }

  get faults(): number {
    return this.faultHandler.handled;
  }

  create(): KernelMm {
    return this.sections.operation(() => {
      const mm = new KernelMm(++this.made, this.userTables.allocPgd());
      this.alive.set(mm.id, mm);
      return mm;
    });
  }

  fork(handle: Mm): KernelMm {
    return this.call(handle, (parent) => {
      const child = this.create();
      child.heapEnd = parent.heapEnd;
      try {
        this.copies.dupMmap(parent, child);
      } catch (error) {
        this.put(child);
        throw error;
      }
      return child;
    });
  }

  get(mm: Mm): void {
    KernelMm.of(mm).users++;
  }

  /** `mmput`: the last put tears the address space down, also that of a failed fork. */
  put(handle: Mm): void {
    this.call(handle, (mm) => {
      if (--mm.users > 0) return;
      this.alive.delete(mm.id);
      this.unmap.destroy(mm);
    });
  }

  mmap(handle: Mm, page: Vpn, pages: number, prot: number, flags: number): 0 | Errno {
    return this.onRange(handle, page, pages, Errno.ENOMEM, (mm, end) => {
      if (isFull(mm)) return Errno.ENOMEM;
      this.unmap.munmap(mm, page, end);
      const vma = newVma(page, end, prot & RIGHTS, flags, ++this.files);
      vma.flags |= mm.defaultFlags;
      const populate =
        (flags & (MapFlag.POPULATE | MAP_NONBLOCK)) === MapFlag.POPULATE || (vma.flags & VmFlag.LOCKED) !== 0;
      mm.vmas.insert(vma);
      if (populate) this.locking.populate(mm, vma.flags, page, end);
      return 0;
    });
  }

  munmap(handle: Mm, page: Vpn, pages: number): 0 | Errno {
    return this.onRange(handle, page, pages, Errno.EINVAL, (mm, end) => {
      if (isFull(mm) && mm.vmas.splits(page, end)) return Errno.ENOMEM;
      this.unmap.munmap(mm, page, end);
      return 0;
    });
  }

  mprotect(handle: Mm, page: Vpn, pages: number, prot: number): 0 | Errno {
    if ((prot & ~(RIGHTS | IGNORED_PROT)) !== 0) return Errno.EINVAL;
    return this.onRange(handle, page, pages, Errno.ENOMEM, (mm, end) => {
      if (isFull(mm)) return Errno.ENOMEM;
      this.protect.mprotect(mm, page, end, prot & RIGHTS);
      if ((prot & Prot.WRITE) !== 0) this.locking.fillLocked(mm, page, end, Prot.WRITE);
      return 0;
    });
  }

  mremap(handle: Mm, page: Vpn, pages: number, newPage: Vpn, newPages: number, flags = 0): 0 | Errno {
    return this.onRange(handle, newPage, newPages, Errno.EINVAL, (mm, newEnd) => {
      if (!this.isUserRange(page, Math.max(1, pages))) return Errno.EINVAL;
      if (isFull(mm)) return Errno.ENOMEM;
      const status = this.remap.mremap(mm, page, pages, newPage, newPages, flags);
      if (status === 0 && newPages > pages) this.locking.fillLocked(mm, toVpn(newPage + pages), newEnd);
      return status;
    });
  }

  brk(handle: Mm, page: Vpn): 0 | Errno {
    return this.call(handle, (mm) => {
      if (page < this.minimumPage || page > this.userEnd || isFull(mm)) return Errno.ENOMEM;
      const end = mm.heapEnd ?? page;
      if (page < end) this.unmap.munmap(mm, page, end);
      else if (page > end) this.growHeap(mm, end, page);
      mm.heapEnd = page;
      return 0;
    });
  }

  madvise(handle: Mm, page: Vpn, pages: number, advice: number): 0 | Errno {
    return this.onRange(handle, page, pages, Errno.EINVAL, (mm, end) => {
      if (isFull(mm) && mm.vmas.splits(page, end)) return Errno.ENOMEM;
      this.advice.madvise(mm, page, end, advice);
      return 0;
    });
  }

  mlock(handle: Mm, page: Vpn, pages: number, flags = 0): 0 | Errno {
    if ((flags & ~MLOCK_ONFAULT) !== 0) return Errno.EINVAL;
    return this.onRange(handle, page, pages, Errno.ENOMEM, (mm, end) => {
      this.locking.mlock(mm, page, end, flags);
      return 0;
    });
  }

  munlock(handle: Mm, page: Vpn, pages: number): 0 | Errno {
    return this.onRange(handle, page, pages, Errno.ENOMEM, (mm, end) => {
      this.locking.munlock(mm, page, end);
      return 0;
    });
  }

  mlockall(handle: Mm, flags: number): void {
    this.call(handle, (mm) => {
      this.locking.mlockall(mm, flags);
    });
  }

  protectionAt(mm: Mm, page: Vpn): number | undefined {
    return KernelMm.of(mm).vmas.find(page)?.prot;
  }

  endBelow(mm: Mm, page: Vpn): number {
    return KernelMm.of(mm).vmas.endBelow(page);
  }

  touch(mm: Mm, page: Vpn, access: Access, privilege: Privilege): number | undefined {
    return this.faultHandler.touch(KernelMm.of(mm), page, access, privilege);
  }

  private call<Result>(handle: Mm, run: (mm: KernelMm) => Result): Result {
    const mm = KernelMm.of(handle);
    return this.sections.operation(() => run(mm));
  }

  /** A system call on a range. Returns errno `outside` if the range is empty or not in the user half. */
  private onRange(
    handle: Mm,
    page: Vpn,
    pages: number,
    outside: Errno,
    run: (mm: KernelMm, end: Vpn) => 0 | Errno,
  ): 0 | Errno {
    return this.call(handle, (mm) => (this.isUserRange(page, pages) ? run(mm, toVpn(page + pages)) : outside));
  }

  private growHeap(mm: KernelMm, from: Vpn, to: Vpn): void {
    this.unmap.munmap(mm, from, to);
    const grown = newVma(from, to, Prot.READ | Prot.WRITE, MapFlag.PRIVATE | MapFlag.ANONYMOUS);
    const flags = (grown.flags |= mm.defaultFlags);
    mm.vmas.insert(grown);
    if ((flags & VmFlag.LOCKED) !== 0) this.locking.populate(mm, flags, from, to);
  }

  private isUserRange(page: Vpn, pages: number): boolean {
    return page >= this.minimumPage && pages > 0 && page + pages <= this.userEnd;
  }
}

/** Whether an address space has the maximum number of mappings: `max_map_count`. */
function isFull(mm: KernelMm): boolean {
  return mm.vmas.all.length >= MAXIMUM_MAPPINGS;
}
