import { EntryType } from "@kpkeys/core/contracts";
import { pageHigh, pageLow } from "../mm/addresses.js";
import { createEachRun } from "../mm/leaf-runs.js";
import type { KernelMm, ProcessParts, UserTables } from "./mm.js";
import { isShared, VmFlag } from "./vma.js";

// What is imported is loaded each time; what stands here is folded.
const { TABLE } = EntryType;

/**
 * Makes the copying of an address space: `dup_mmap` over the mappings and `copy_page_range` over the entries of those that need it:
 * those with an anon_vma, for what a file or shared memory holds can be faulted in again. Private pages become read-only on both
 * sides.
 *
 * @param parts - what it is made with
 * @param userTables - the walk
 */
export function createCopyMappings(
  parts: ProcessParts,
  userTables: UserTables,
): (parent: KernelMm, child: KernelMm) => void {
  const { format, tables, frames, tlb, lazy, sections } = parts;
  const { pageShift } = format.geometry;
  const { lastLevel, spans } = userTables;
  const eachRun = createEachRun(tables, format);
  const entry = { high: 0, low: 0 };

  /** `copy_present_ptes` over a run of entries of one table. */
  function copyEntries(shared: boolean, table: number, childTable: number, from: number, to: number): void {
    sections.lock(childTable);
    sections.lock(table);
    lazy.enable();
    eachRun(table, from, to, (index, count, high, low) => {
      entry.high = high;
      entry.low = low;
      if (!shared && format.isWritable(high, low)) {
        tables.wrprotectPtes(table, index, count);
        format.makeReadOnly(entry);
      }
      if (shared) format.makeClean(entry);
      format.makeOld(entry);
      const pfn = format.pfnOf(high, low);
      for (let page = 0; page < count; page++) frames.share(pfn + page);
      tables.setPtes(childTable, index, entry.high, entry.low, count);
    });
    lazy.disable();
    sections.unlock(table);
    sections.unlock(childTable);
  }

  /** The child gets a table wherever the parent has one in the range, before anybody knows whether it holds anything. */
  function copyLevel(child: KernelMm, shared: boolean, level: number, table: number, start: number, end: number): void {
    const span = spans[level]!;
    const first = format.index(level, pageHigh(start, pageShift), pageLow(start, pageShift));
    if (level === lastLevel) {
      copyEntries(shared, table, userTables.ensure(child, start), first, first + (end - start));
      return;
    }
    for (let index = first, page = start; page < end; index++) {
      const next = Math.min(end, (Math.floor(page / span) + 1) * span);
      tables.read(table, index);
      if (format.typeOf(level, tables.entryHigh, tables.entryLow) === TABLE) {
        const below = format.pfnOf(tables.entryHigh, tables.entryLow);
        userTables.ensure(child, page, level + 1);
        copyLevel(child, shared, level + 1, below, page, next);
      }
      page = next;
    }
  }

  function copyAll(parent: KernelMm, child: KernelMm): void {
    for (const vma of parent.vmas.all) {
      if ((vma.flags & VmFlag.DONTCOPY) !== 0) continue;
      const copy = vma.over(vma.start, vma.end);
      copy.flags &= ~VmFlag.LOCKED;
      const wiped = (vma.flags & VmFlag.WIPEONFORK) !== 0;
      if (wiped) {
        copy.anonVma = 0;
        copy.inherited = false;
      } else if (vma.anonVma !== 0) child.vmas.inheritAnonVma(copy);
      child.vmas.append(copy);
      if (!wiped && vma.anonVma !== 0) copyLevel(child, isShared(vma), 0, parent.root, vma.start, vma.end);
    }
  }

  // The parent's entries became read-only, even where the copy ends for want of memory.
  return (parent, child) => {
    try {
      copyAll(parent, child);
    } finally {
      tlb.addressSpace(parent.asid);
    }
  };
}
