import { Access } from "@kpkeys/core/contracts";
import type { Pfn, Vpn } from "@kpkeys/core/contracts";
import type { FaultHandler } from "./fault.js";
import type { KernelMm, ProcessParts, UserTables } from "./mm.js";
import type { Unmap } from "./unmap.js";
import { VmFlag } from "./vma.js";

/** MADV_ numbers that act on pages (include/uapi/asm-generic/mman-common.h). */
const MADV = {
  DONTNEED: 4,
  FREE: 8,
  COLD: 20,
  PAGEOUT: 21,
  POPULATE_READ: 22,
  POPULATE_WRITE: 23,
  DONTNEED_LOCKED: 24,
  GUARD_INSTALL: 102,
} as const;

/** The flags that other advice clears and sets in a mapping, by MADV_ number: `madvise_vma_behavior`. */
const FLAGS: ReadonlyMap<number, readonly [clear: number, set: number]> = new Map([
  [0, [VmFlag.RAND_READ | VmFlag.SEQ_READ, 0]],
  [1, [VmFlag.SEQ_READ, VmFlag.RAND_READ]],
  [2, [VmFlag.RAND_READ, VmFlag.SEQ_READ]],
  [10, [0, VmFlag.DONTCOPY]],
  [11, [VmFlag.DONTCOPY, 0]],
  [14, [VmFlag.NOHUGEPAGE, VmFlag.HUGEPAGE]],
  [15, [VmFlag.HUGEPAGE, VmFlag.NOHUGEPAGE]],
  [16, [0, VmFlag.DONTDUMP]],
  [17, [VmFlag.DONTDUMP, 0]],
  [18, [0, VmFlag.WIPEONFORK]],
  [19, [VmFlag.WIPEONFORK, 0]],
]);

/**
 * Makes madvise.
 * @param parts - what it is made with
 * @param userTables - the walk
 * @param unmap - takes entries away
 * @param faults - fills ranges
 * @returns carries out advice on a range of virtual pages; what is not mapped of it is passed over
 */
export function createAdvice(
  parts: ProcessParts,
  userTables: UserTables,
  unmap: Unmap,
  faults: FaultHandler,
): (mm: KernelMm, page: number, pages: number, advice: number) => void {
  const { format, tables, tlb, lazy, sections } = parts;
  const { entries } = userTables;

  /** `madvise_free_pte_range` and `madvise_cold_or_pageout_pte_range`: changes state in place. */
  function age(mm: KernelMm, start: Vpn, end: Vpn, change: (table: Pfn, index: number) => void): void {
    tables.walk(
      mm.root,
      { from: start, to: end },
      {
        run({ table, index: first }, count) {
          sections.lock(table);
          lazy.enable();
          for (let index = first; index < first + count; index++) {
            const { high, low } = tables.read(table, index);
            if (format.isPresent(high, low)) change(table, index);
          }
          lazy.disable();
          sections.unlock(table);
          return undefined;
        },
      },
    );
  }

  function setFlags(mm: KernelMm, start: number, end: number, clear: number, set: number): void {
    for (const vma of mm.vmas.isolate(start, end)) vma.flags = (vma.flags & ~clear) | set;
    mm.vmas.mergeAround(start, end);
  }

  /**
   * `madvise_guard_install`: the markers of guard pages need tables, which are made for the whole range. The markers themselves
   * are not kept: they are in nobody's way but of an access that ends in a signal.
   */
  function installGuards(mm: KernelMm, start: number, end: number): void {
    try {
      for (const vma of mm.vmas.isolate(start, end)) {
        mm.vmas.prepareAnonVma(vma);
        unmap.zap(mm, vma.start, vma.end);
        for (let page = vma.start; page < vma.end; page += entries - (page % entries)) userTables.ensure(mm, page);
      }
    } finally {
      mm.vmas.mergeAround(start, end);
      tlb.addressSpace(mm.asid);
    }
  }

  /** @returns whether entries were changed whose translations are still to be invalidated */
  function act(mm: KernelMm, start: number, end: number, advice: number): boolean {
    switch (advice) {
      case MADV.DONTNEED:
      case MADV.DONTNEED_LOCKED:
        for (const vma of mm.vmas.inside(start, end))
          unmap.discard(mm, Math.max(start, vma.start), Math.min(end, vma.end));
        return false;
      case MADV.FREE:
        age(mm, start, end, (table, index) => {
          tables.clearYoungDirtyPte(table, index, true, true);
        });
        return true;
      case MADV.COLD:
      case MADV.PAGEOUT:
        age(mm, start, end, (table, index) => void tables.ptepTestAndClearYoung(table, index));
        return true;
      case MADV.POPULATE_READ:
      case MADV.POPULATE_WRITE:
        faults.populate(mm, start, end, advice === MADV.POPULATE_READ ? Access.READ : Access.WRITE);
        return false;
      case MADV.GUARD_INSTALL:
        installGuards(mm, start, end);
        return false;
      default:
        return false;
    }
  }

  return (mm, page, pages, advice) => {
    const end = page + pages;
    const flags = FLAGS.get(advice);
    if (flags !== undefined) setFlags(mm, page, end, ...flags);
    else if (act(mm, page, end, advice)) tlb.addressSpace(mm.asid);
  };
}
