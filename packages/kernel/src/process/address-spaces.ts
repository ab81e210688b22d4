import { Errno, MapFlag, Prot } from "@kpkeys/core/contracts";
import type { AddressSpaces, Mm, Pfn } from "@kpkeys/core/contracts";
import { outOfMemory } from "../out-of-memory.js";
import { pageOfAddress } from "../mm/addresses.js";
import { createAdvice } from "./advice.js";
import { createFaultHandler } from "./fault.js";
import { createCopyMappings } from "./fork.js";
import { createLock } from "./lock.js";
import { createUserTables, KernelMm } from "./mm.js";
import type { ProcessParts } from "./mm.js";
import { createRemap } from "./remap.js";
import { createUnmap } from "./unmap.js";
import { newVma, VmFlag } from "./vma.js";

/** Mappings that an address space may have: DEFAULT_MAX_MAP_COUNT of include/linux/mm.h. */
const MAXIMUM_MAPPINGS = 65530;

/** What mmap keeps of prot, and mprotect accepts beside PROT_SEM, PROT_GROWSDOWN and PROT_GROWSUP: `calc_vm_prot_bits`. */
const RIGHTS = Prot.READ | Prot.WRITE | Prot.EXEC;
const IGNORED_PROT = 0x0300_0008;

/** The lowest address that may be mapped: `vm.mmap_min_addr`. */
const MINIMUM_ADDRESS = 0x10000;

/** MAP_NONBLOCK of include/uapi/asm-generic/mman.h: takes MAP_POPULATE back. */
const MAP_NONBLOCK = 0x10000;

/** Makes the address spaces of the machine. @param parts - what they are made with */
export function createAddressSpaces(parts: ProcessParts): AddressSpaces {
  const { format, tables, arch, sections } = parts;
  const userTables = createUserTables(parts);
  const unmap = createUnmap(parts, userTables);
  const faults = createFaultHandler(parts, userTables);
  const remap = createRemap(parts, userTables, unmap);
  const advise = createAdvice(parts, userTables, unmap, faults);
  const lock = createLock(faults);
  const copyMappings = createCopyMappings(parts, userTables);
  const { pageShift } = format.geometry;
  const userEnd = pageOfAddress(arch.layout.userEnd, pageShift);
  const minimumPage = Math.ceil(MINIMUM_ADDRESS / 2 ** pageShift);
  const alive = new Map<number, KernelMm>();
  let made = 0;
  let files = 0;

  const own = (mm: Mm): KernelMm => KernelMm.of(mm);

  /** `pgd_ctor` on x86: with a shared root a process sees the kernel's half through copied top-level entries. */
  function copyKernelHalf(root: Pfn): void {
    if (format.geometry.splitRoots) return;
    const entries = 2 ** format.geometry.levels[0]!.indexBits;
    for (let index = entries / 2; index < entries; index++) {
      const entry = tables.read(tables.root, index);
      if (format.isPresent(entry.high, entry.low)) tables.setPgd(root, index, entry);
    }
  }

  function create(): KernelMm {
    const root = tables.allocTable("user", 0);
    if (root < 0) throw outOfMemory("a top-level page table");
    copyKernelHalf(root);
    const mm = new KernelMm(++made, root);
    alive.set(mm.id, mm);
    return mm;
  }

  /** `mmput`: the last user takes everything along, even of a fork that ran out of memory. */
  function put(mm: KernelMm): void {
    if (--mm.users > 0) return;
    alive.delete(mm.id);
    for (const { start, end } of mm.vmas.all) unmap.zap(mm, start, end);
    unmap.destroy(mm);
  }

  function munmap(mm: KernelMm, page: number, pages: number): number {
    if (mm.vmas.remove(page, page + pages).length > 0) unmap.unmapRegion(mm, page, page + pages);
    return 0;
  }

  /** Whether a range lies in the user's half, and is none too small to be one. */
  function isUserRange(page: number, pages: number): boolean {
    return page >= minimumPage && pages > 0 && page + pages <= userEnd;
  }

  /** Whether a change of a range would make more mappings than there may be: `max_map_count`. */
  function isFull(mm: KernelMm): boolean {
    return mm.vmas.all.length >= MAXIMUM_MAPPINGS;
  }

  const operation =
    <Arguments extends readonly unknown[], Result>(run: (...args: Arguments) => Result) =>
    (...args: Arguments): Result =>
      sections.operation(() => run(...args));

  const spaces: Omit<AddressSpaces, "faults"> = {
    all: { [Symbol.iterator]: () => alive.values() },
    create: operation(create),
    fork: operation((parent) => {
      const child = create();
      child.heapStart = own(parent).heapStart;
      child.heapEnd = own(parent).heapEnd;
      try {
        copyMappings(own(parent), child);
      } catch (error) {
        put(child);
        throw error;
      }
      return child;
    }),
    get(mm) {
      own(mm).users++;
    },
    put: operation((mm) => {
      put(own(mm));
    }),
    mmap: operation((handle, page, pages, prot, flags) => {
      const mm = own(handle);
      if (!isUserRange(page, pages) || isFull(mm)) return Errno.ENOMEM;
      munmap(mm, page, pages);
      const vma = newVma(page, page + pages, prot & RIGHTS, flags, ++files);
      if (mm.locksFuture) vma.flags |= VmFlag.LOCKED;
      const populate =
        (flags & (MapFlag.POPULATE | MAP_NONBLOCK)) === MapFlag.POPULATE || (vma.flags & VmFlag.LOCKED) !== 0;
      mm.vmas.insert(vma);
      if (populate) faults.populate(mm, page, page + pages);
      return 0;
    }),
    munmap: operation((handle, page, pages) => {
      const mm = own(handle);
      if (!isUserRange(page, pages)) return Errno.EINVAL;
      return isFull(mm) && mm.vmas.splits(page, page + pages) ? Errno.ENOMEM : munmap(mm, page, pages);
    }),
    mprotect: operation((handle, page, pages, prot) => {
      const mm = own(handle);
      if ((prot & ~(RIGHTS | IGNORED_PROT)) !== 0) return Errno.EINVAL;
      if (!isUserRange(page, pages) || isFull(mm)) return Errno.ENOMEM;
      remap.mprotect(mm, page, pages, prot & RIGHTS);
      if ((prot & Prot.WRITE) !== 0) lock.fillLocked(mm, page, page + pages, Prot.WRITE);
      return 0;
    }),
    mremap: operation((handle, page, pages, newPage, newPages, flags = 0) => {
      const mm = own(handle);
      if (!isUserRange(page, Math.max(1, pages)) || !isUserRange(newPage, newPages)) return Errno.EINVAL;
      if (isFull(mm)) return Errno.ENOMEM;
      const status = remap.mremap(mm, page, pages, newPage, newPages, flags);
      if (status === 0 && newPages > pages) lock.fillLocked(mm, newPage + pages, newPage + newPages);
      return status;
    }),
    brk: operation((handle, page) => {
      const mm = own(handle);
      if (page < minimumPage || page > userEnd || isFull(mm)) return Errno.ENOMEM;
      if (mm.heapStart < 0) mm.heapStart = mm.heapEnd = page;
      if (page > mm.heapEnd) {
        munmap(mm, mm.heapEnd, page - mm.heapEnd);
        const grown = newVma(mm.heapEnd, page, Prot.READ | Prot.WRITE, MapFlag.PRIVATE | MapFlag.ANONYMOUS);
        if (mm.locksFuture) grown.flags |= VmFlag.LOCKED;
        mm.vmas.insert(grown);
        if (mm.locksFuture) faults.populate(mm, mm.heapEnd, page);
      } else if (page < mm.heapEnd) munmap(mm, page, mm.heapEnd - page);
      mm.heapEnd = page;
      return 0;
    }),
    madvise: operation((handle, page, pages, advice) => {
      const mm = own(handle);
      if (!isUserRange(page, pages)) return Errno.EINVAL;
      if (isFull(mm) && mm.vmas.splits(page, page + pages)) return Errno.ENOMEM;
      advise(mm, page, pages, advice);
      return 0;
    }),
    mlock: operation((handle, page, pages) => {
      if (!isUserRange(page, pages)) return Errno.ENOMEM;
      lock.mlock(own(handle), page, pages);
      return 0;
    }),
    munlock: operation((handle, page, pages) => {
      if (!isUserRange(page, pages)) return Errno.ENOMEM;
      lock.munlock(own(handle), page, pages);
      return 0;
    }),
    mlockall: operation((handle, flags) => {
      lock.mlockall(own(handle), flags);
    }),
    protectionAt: (mm, page) => own(mm).vmas.find(page)?.prot ?? -1,
    endBelow: (mm, page) => own(mm).vmas.endBelow(page),
    touch: (mm, page, access, privilege) => faults.touch(own(mm), page, access, privilege),
  };
  // Added when the rest is there: V8 keeps an object with an accessor in its literal as a hash table.
  return Object.defineProperty(spaces, "faults", { get: () => faults.handled }) as AddressSpaces;
}
