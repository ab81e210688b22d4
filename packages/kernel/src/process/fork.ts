import type { KernelMm, ProcessParts, UserTables } from "./mm.js";

/**
 * Makes `copy_page_range`: copies the entries of the mappings that need it (those with an anon_vma; a file can be read again) and
 * write-protects private pages on both sides.
 * @param parts - what it is made with
 * @param userTables - the walk
 */
export function createCopyPageRanges(
  parts: ProcessParts,
  userTables: UserTables,
): (parent: KernelMm, child: KernelMm) => void {
  const { format, tables, frames, tlb, lazy, sections } = parts;
  const entry = { high: 0, low: 0 };

  function copyTable(child: KernelMm, shared: boolean, table: number, from: number, to: number, page: number): void {
    const childTable = userTables.ensure(child, page);
    sections.lock(childTable);
    sections.lock(table);
    lazy.enable();
    for (let index = from; index < to; index++) {
      tables.read(table, index);
      entry.high = tables.entryHigh;
      entry.low = tables.entryLow;
      if (!format.isPresent(entry.high, entry.low)) continue;
      if (!shared && format.isWritable(entry.high, entry.low)) {
        tables.ptepSetWrprotect(table, index);
        format.makeReadOnly(entry);
      }
      if (shared) format.makeClean(entry);
      format.makeOld(entry);
      frames.share(format.pfnOf(entry.high, entry.low));
      tables.setPte(childTable, index, entry.high, entry.low);
    }
    lazy.disable();
    sections.unlock(table);
    sections.unlock(childTable);
  }

  return (parent, child) => {
    for (const vma of parent.vmas.all) {
      child.vmas.insert(vma.over(vma.start, vma.end));
      if (!vma.hasAnonVma) continue;
      userTables.eachTable(parent, vma.start, vma.end, (table, from, to, page) => {
        copyTable(child, vma.shared, table, from, to, page);
      });
    }
    tlb.addressSpace(parent.asid);
  };
}
