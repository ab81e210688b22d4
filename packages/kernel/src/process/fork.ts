import { inject, injectable } from "@kpkeys/core";
import { LazyMmu, PageTableFormat, PageTables, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { EntryCursor, Pfn } from "@kpkeys/core/contracts";
import { LeafRuns } from "../mm/leaf-runs.js";
import { Sections } from "../mm/sections.js";
import { TlbFlush } from "../mm/tlb-flush.js";
import { UserFrames } from "./frames.js";
import type { KernelMm } from "./mm.js";
import { UserTables } from "./user-tables.js";
import { isShared, LOCKED_MASK, VmFlag } from "./vma.js";
import type { Vma } from "./vma.js";

/** Copies an address space. */
@injectable()
export class Fork {
  constructor(
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(UserTables) private readonly userTables: UserTables,
    @inject(UserFrames) private readonly frames: UserFrames,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
    @inject(LazyMmu) private readonly lazy: LazyMmu,
    @inject(Sections) private readonly sections: Sections,
    @inject(LeafRuns) private readonly leafRuns: LeafRuns,
  ) {}

  /**
   * `dup_mmap`: copies all mappings, and the entries of mappings with an anon_vma. Faults can restore the entries of files and shared
   * memory. Private pages become read-only in both address spaces.
   * @param parent - the original
   * @param child - an empty address space
   * @throws KpkeysError ERR_OUT_OF_MEMORY
   */
  dupMmap(parent: KernelMm, child: KernelMm): void {
    try {
      for (const vma of parent.vmas.all) if ((vma.flags & VmFlag.DONTCOPY) === 0) this.copyVma(parent, child, vma);
    } finally {
      // Entries of the parent may be read-only now, even if the copy failed.
      this.tlb.addressSpace(parent.asid);
    }
  }

  private copyVma(parent: KernelMm, child: KernelMm, vma: Vma): void {
    const copy = vma.withRange(vma.start, vma.end);
    copy.flags &= ~LOCKED_MASK;
    const wiped = (vma.flags & VmFlag.WIPEONFORK) !== 0;
    if (wiped) copy.unlinkAnonVma();
    else if (vma.anonVma !== 0) child.vmas.inheritAnonVma(copy);
    child.vmas.append(copy);
    if (!wiped && vma.anonVma !== 0) this.copyRange(parent, child, vma);
  }

  /** `copy_page_range`: the child gets a table for each table of the parent in the range, even if that is empty. */
  private copyRange(parent: KernelMm, child: KernelMm, vma: Vma): void {
    const shared = isShared(vma);
    this.userTables.walk(
      parent,
      { from: vma.start, to: vma.end },
      {
        table: ({ level, page }) => {
          this.userTables.ensure(child, page, toLevel(level + 1));
          return undefined;
        },
        run: (first, count) => {
          this.copyEntries(shared, first, count, this.userTables.ensure(child, first.page).table);
          return undefined;
        },
      },
    );
  }

  /** `copy_present_ptes` for the entries of one table. */
  private copyEntries(shared: boolean, first: EntryCursor, count: number, childTable: Pfn): void {
    const { format, tables, frames } = this;
    const { table } = first;
    this.sections.lock(childTable);
    this.sections.lock(table);
    this.lazy.enable();
    this.leafRuns.each(first, count, (index, length, value) => {
      let entry = value;
      if (shared) entry = format.makeClean(value);
      else if (format.isWritable(value.high, value.low)) {
        tables.wrprotectPtes(table, index, length);
        entry = format.makeReadOnly(value);
      }
      const pfn = format.pfnOf(value.high, value.low);
      for (let page = 0; page < length; page++) frames.share(toPfn(pfn + page));
      tables.setPtes(childTable, index, format.makeOld(entry), length);
    });
    this.lazy.disable();
    this.sections.unlock(table);
    this.sections.unlock(childTable);
  }
}
