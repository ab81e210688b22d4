import { MapFlag, Prot } from "@kpkeys/core/contracts";
import type { AddressSpaces, Mm } from "@kpkeys/core/contracts";
import { outOfMemory } from "../out-of-memory.js";
import { createFaultHandler } from "./fault.js";
import { createCopyPageRanges } from "./fork.js";
import { createUserTables, KernelMm } from "./mm.js";
import type { ProcessParts } from "./mm.js";
import { createRemap } from "./remap.js";
import { createUnmap } from "./unmap.js";
import { Vma } from "./vma.js";

/** MADV_ numbers that change entries. */
const MADV = { DONTNEED: 4, FREE: 8, COLD: 20, PAGEOUT: 21 } as const;

/** Makes the address spaces of the machine. @param parts - what they are made with */
export function createAddressSpaces(parts: ProcessParts): AddressSpaces {
  const { format, tables, tlb, lazy, sections } = parts;
  const userTables = createUserTables(parts);
  const unmap = createUnmap(parts, userTables);
  const faults = createFaultHandler(parts, userTables);
  const remap = createRemap(parts, userTables, unmap);
  const copyPageRanges = createCopyPageRanges(parts, userTables);
  const alive = new Map<number, KernelMm>();
  let made = 0;

  const own = (mm: Mm): KernelMm => KernelMm.of(mm);

  /** `pgd_ctor` on x86: with a shared root a process sees the kernel's half through copied top-level entries. */
  function copyKernelHalf(root: number): void {
    if (format.geometry.splitRoots) return;
    const entries = 2 ** format.geometry.levels[0]!.indexBits;
    for (let index = entries / 2; index < entries; index++) {
      tables.read(tables.root, index);
      if (format.isPresent(tables.entryHigh, tables.entryLow))
        tables.setPgd(root, index, tables.entryHigh, tables.entryLow);
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

  function munmap(mm: KernelMm, page: number, pages: number): number {
    if (mm.vmas.remove(page, page + pages).length > 0) unmap.unmapRegion(mm, page, page + pages);
    return 0;
  }

  /** `madvise_free_pte_range` and `madvise_cold_or_pageout_pte_range`: changes state in place. */
  function age(mm: KernelMm, page: number, pages: number, change: (table: number, index: number) => void): void {
    userTables.eachTable(mm, page, page + pages, (table, from, to) => {
      sections.lock(table);
      lazy.enable();
      for (let index = from; index < to; index++) {
        tables.read(table, index);
        if (format.isPresent(tables.entryHigh, tables.entryLow)) change(table, index);
      }
      lazy.disable();
      sections.unlock(table);
    });
  }

  const { operation } = sections;

  const spaces: Omit<AddressSpaces, "faults"> = {
    all: { [Symbol.iterator]: () => alive.values() },
    create: operation(create),
    fork: operation((parent) => {
      const child = create();
      child.heapStart = own(parent).heapStart;
      child.heapEnd = own(parent).heapEnd;
      copyPageRanges(own(parent), child);
      return child;
    }),
    get(mm) {
      own(mm).users++;
    },
    put: operation((handle) => {
      const mm = own(handle);
      if (--mm.users > 0) return;
      alive.delete(mm.id);
      for (const { start, end } of mm.vmas.all) unmap.zap(mm, start, end);
      unmap.destroy(mm);
    }),
    mmap: operation((handle, page, pages, prot, flags) => {
      const mm = own(handle);
      munmap(mm, page, pages);
      mm.vmas.insert(new Vma(page, page + pages, prot, flags));
      if ((flags & MapFlag.POPULATE) !== 0) faults.populate(mm, page, page + pages);
      return 0;
    }),
    munmap: operation((mm, page, pages) => munmap(own(mm), page, pages)),
    mprotect: operation((mm, page, pages, prot) => remap.mprotect(own(mm), page, pages, prot)),
    mremap: operation((mm, page, pages, newPage, newPages) => remap.mremap(own(mm), page, pages, newPage, newPages)),
    brk: operation((handle, page) => {
      const mm = own(handle);
      if (mm.heapStart < 0) mm.heapStart = mm.heapEnd = page;
      if (page > mm.heapEnd) {
        mm.vmas.insert(new Vma(mm.heapEnd, page, Prot.READ | Prot.WRITE, MapFlag.PRIVATE | MapFlag.ANONYMOUS));
      } else if (page < mm.heapEnd) munmap(mm, page, mm.heapEnd - page);
      mm.heapEnd = page;
      return 0;
    }),
    madvise: operation((handle, page, pages, advice) => {
      const mm = own(handle);
      if (advice === MADV.DONTNEED) unmap.zap(mm, page, page + pages);
      else if (advice === MADV.FREE) {
        age(mm, page, pages, (table, index) => {
          tables.clearYoungDirtyPte(table, index, true, true);
        });
      } else if (advice === MADV.COLD || advice === MADV.PAGEOUT) {
        age(mm, page, pages, (table, index) => void tables.ptepTestAndClearYoung(table, index));
      } else return 0;
      tlb.addressSpace(mm.asid);
      return 0;
    }),
    protectionAt: (mm, page) => own(mm).vmas.find(page)?.prot ?? -1,
    touch: (mm, high, low, access, privilege) => faults.touch(own(mm), high, low, access, privilege),
  };
  // Added when the rest is there: V8 keeps an object with an accessor in its literal as a hash table.
  return Object.defineProperty(spaces, "faults", { get: () => faults.handled }) as AddressSpaces;
}
