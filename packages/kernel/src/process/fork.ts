import { toLevel } from "@kpkeys/core/contracts";
import type { EntryCursor, Pfn } from "@kpkeys/core/contracts";
import { createEachRun } from "../mm/leaf-runs.js";
import type { KernelMm, ProcessParts, UserTables } from "./mm.js";
import { isShared, VmFlag } from "./vma.js";
import type { Vma } from "./vma.js";

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
  const eachRun = createEachRun(tables, format);

  /** `copy_present_ptes` over a run of entries of one table. */
  function copyEntries(shared: boolean, first: EntryCursor, count: number, childTable: Pfn): void {
    const { table } = first;
    sections.lock(childTable);
    sections.lock(table);
    lazy.enable();
    eachRun(first, count, (index, length, value) => {
      const entry = { ...value };
      if (!shared && format.isWritable(value.high, value.low)) {
        tables.wrprotectPtes(table, index, length);
        format.makeReadOnly(entry);
      }
      if (shared) format.makeClean(entry);
      format.makeOld(entry);
      const pfn = format.pfnOf(value.high, value.low);
      for (let page = 0; page < length; page++) frames.share(pfn + page);
      tables.setPtes(childTable, index, entry, length);
    });
    lazy.disable();
    sections.unlock(table);
    sections.unlock(childTable);
  }

  /** `copy_page_range`: the child gets a table wherever the parent has one in the range, whether it holds anything or not. */
  function copyRange(parent: KernelMm, child: KernelMm, vma: Vma): void {
    const shared = isShared(vma);
    tables.walk(
      parent.root,
      { from: vma.start, to: vma.end },
      {
        table({ level, page }) {
          userTables.ensure(child, page, toLevel(level + 1));
          return undefined;
        },
        run(first, count) {
          copyEntries(shared, first, count, userTables.ensure(child, first.page).table);
          return undefined;
        },
      },
    );
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
      if (!wiped && vma.anonVma !== 0) copyRange(parent, child, vma);
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
