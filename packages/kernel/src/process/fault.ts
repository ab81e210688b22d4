import { inject, injectable } from "@kpkeys/core";
import {
  Access,
  ArchTools,
  Cpus,
  Errno,
  OK,
  PageTableFormat,
  PageTables,
  Privilege,
  Prot,
  toVpn,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { EntryCursor, Pfn, Vpn, Words } from "@kpkeys/core/contracts";
import { ExceptionEntry } from "../entry/exception-entry.js";
import { KernelFault } from "../entry/kernel-fault.js";
import { Sections } from "../mm/sections.js";
import { TlbFlush } from "../mm/tlb-flush.js";
import { outOfMemory } from "../machine/errors.js";
import { UserFrames } from "./frames.js";
import type { KernelMm } from "./mm.js";
import { UserTables } from "./user-tables.js";
import { isShared, leafProtection } from "./vma.js";
import type { Vma } from "./vma.js";

/** `fault_around_bytes`: size and alignment of the window that a read fault on a file maps. */
const FAULT_AROUND_BYTES = 64 * 1024;

/** Maximum size of a mapping that grows downward: RLIMIT_STACK. */
const STACK_BYTES = 8 * 1024 * 1024;

/** Maximum faults of one access. An access can fault twice: the first fault maps the page, the second sets its access flags. */
const MAXIMUM_FAULTS = 8;

/** Handles faults of user addresses. */
@injectable()
export class FaultHandler {
  /** Faults handled so far. */
  handled = 0;
  private readonly pageShift: number;

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(PageTables) private readonly tables: PageTables,
    @inject(UserTables) private readonly userTables: UserTables,
    @inject(UserFrames) private readonly frames: UserFrames,
    @inject(TlbFlush) private readonly tlb: TlbFlush,
    @inject(Sections) private readonly sections: Sections,
    @inject(ExceptionEntry) private readonly exceptionEntry: ExceptionEntry,
    @inject(ArchTools) private readonly tools: ArchTools,
  ) {
    this.pageShift = format.geometry.pageShift;
  }

  /** See {@link AddressSpaces.touch}. */
  touch(mm: KernelMm, page: Vpn, access: Access, privilege: Privilege): number | undefined {
    const { high, low } = wordsOf(page, this.pageShift);
    for (let faults = 0; faults < MAXIMUM_FAULTS; faults++) {
      if (this.cpus.current.access(high, low, access, privilege) === OK) return faults;
      if (this.takeFault(mm, page, access, privilege) !== 0) return undefined;
      this.handled++;
    }
    throw new KernelFault(this.cpus.current, this.tools, "handle_mm_fault");
  }

  /**
   * `populate_vma_page_range`: maps the pages of a range without an access (MAP_POPULATE, MADV_POPULATE_READ and _WRITE).
   * @param mm - the address space
   * @param start - first virtual page, in a mapping
   * @param end - one past the last
   * @param access - kind of the fault to handle; default: write in private writable mappings, else read
   */
  populate(mm: KernelMm, start: Vpn, end: Vpn, access?: Access): void {
    for (let page = start; page < end; page = toVpn(page + 1)) {
      const vma = mm.vmas.find(page);
      if (vma === undefined || vma.prot === 0) return;
      const writes = (vma.prot & Prot.WRITE) !== 0 && !isShared(vma);
      const wanted = access ?? (writes ? Access.WRITE : Access.READ);
      if (!allows(vma, wanted)) return;
      if (!this.isPopulated(mm, page, wanted)) this.handle(mm, page, wanted);
    }
  }

  private isPopulated(mm: KernelMm, page: Vpn, wanted: Access): boolean {
    const entry = this.userTables.ensure(mm, page);
    this.sections.lock(entry.table);
    const { high, low } = entry.read();
    this.sections.unlock(entry.table);
    return this.format.isPresent(high, low) && (wanted !== Access.WRITE || this.format.isWritable(high, low));
  }

  /** Exception entry from user or kernel mode, {@link handle}, and exception return. */
  private takeFault(mm: KernelMm, page: Vpn, access: Access, privilege: Privilege): 0 | Errno {
    const fromUser = privilege === Privilege.USER;
    if (fromUser) this.cpus.current.synchroniseByException();
    else this.exceptionEntry.enter();
    try {
      return this.handle(mm, page, access);
    } finally {
      if (fromUser) this.cpus.current.synchroniseByException();
      else this.exceptionEntry.leave();
    }
  }

  /** `handle_mm_fault`. @returns 0; -EFAULT if no mapping allows the access */
  private handle(mm: KernelMm, page: Vpn, access: Access): 0 | Errno {
    return this.sections.operation(() => {
      const vma = mm.vmas.expandTo(page, STACK_BYTES >> this.pageShift);
      if (vma === undefined || !allows(vma, access)) return Errno.EFAULT;
      const entry = this.userTables.ensure(mm, page);
      this.sections.lock(entry.table);
      try {
        this.resolve(mm, vma, entry, (access & Access.WRITE) !== 0);
      } finally {
        this.sections.unlock(entry.table);
      }
      return 0;
    });
  }

  /** `handle_pte_fault`, with the table locked. */
  private resolve(mm: KernelMm, vma: Vma, entry: EntryCursor, write: boolean): void {
    const value = entry.read();
    const { high, low } = value;
    if (!this.format.isPresent(high, low)) this.mapMissing(mm, vma, entry, write);
    else if (write && !this.format.isWritable(high, low)) this.writeProtected(mm, vma, entry, value);
    else this.makeAccessible(entry, value, write);
  }

  /** `do_anonymous_page`, `do_read_fault`, `do_cow_fault`, `do_shared_fault`. */
  private mapMissing(mm: KernelMm, vma: Vma, entry: EntryCursor, write: boolean): void {
    if (write) {
      this.setLeaf(entry.table, entry.index, this.allocFrame(isShared(vma) && !vma.anonymous), vma, true);
      if (!isShared(vma)) mm.vmas.prepareAnonVma(vma);
    } else if (vma.file === 0 && vma.anonymous) {
      this.setLeaf(entry.table, entry.index, this.frames.zeroPage, vma, false);
    } else this.faultAround(vma, entry);
  }

  /** `do_fault_around`: a read of a file also maps the surrounding pages in the mapping and the table, while memory is free. */
  private faultAround(vma: Vma, { table, index, page }: EntryCursor): void {
    const windowPages = FAULT_AROUND_BYTES >> this.pageShift;
    const window = page - (page & (windowPages - 1));
    const first = Math.max(window, vma.start, page - index);
    const last = Math.min(window + windowPages, vma.end, page - index + this.userTables.entries);
    for (let p = first; p < last; p++) {
      const i = index + (p - page);
      const { high, low } = this.tables.read(table, i);
      if (this.format.isPresent(high, low)) continue;
      const pfn = p > page ? this.frames.alloc(true) : this.allocFrame(true);
      if (pfn === undefined) return;
      this.setLeaf(table, i, pfn, vma, false);
    }
  }

  /** `do_wp_page`: reuses an exclusive page, else copies it. */
  private writeProtected(mm: KernelMm, vma: Vma, entry: EntryCursor, value: Words): void {
    const { table, index, page } = entry;
    const pfn = this.format.pfnOf(value.high, value.low);
    if (isShared(vma) || this.frames.isExclusive(pfn)) {
      this.makeAccessible(entry, value, true);
      return;
    }
    mm.vmas.prepareAnonVma(vma);
    const copy = this.allocFrame(false);
    this.tables.ptepGetAndClear(table, index);
    this.tlb.range(page, 1);
    this.setLeaf(table, index, copy, vma, true);
    this.frames.drop(pfn);
  }

  /** `ptep_set_access_flags`, then a flush of the old translation. */
  private makeAccessible({ table, index, page }: EntryCursor, value: Words, write: boolean): void {
    const { format } = this;
    const young = format.makeYoung(value);
    this.tables.ptepSetAccessFlags(table, index, write ? format.makeDirty(format.makeWritable(young)) : young);
    this.tlb.range(page, 1);
  }

  /** Sets a young leaf; dirty if the fault is a write. */
  private setLeaf(table: Pfn, index: number, pfn: Pfn, vma: Vma, written: boolean): void {
    const { format } = this;
    const leaf = format.makeLeaf(this.userTables.lastLevel, pfn, leafProtection(format, vma, written));
    this.tables.setPte(table, index, written ? format.makeDirty(leaf) : leaf);
  }

  /** @throws KpkeysError ERR_OUT_OF_MEMORY */
  private allocFrame(file: boolean): Pfn {
    const pfn = this.frames.alloc(file);
    if (pfn === undefined) throw outOfMemory("a user page");
    return pfn;
  }
}

function allows({ prot }: Vma, access: Access): boolean {
  if ((access & Access.WRITE) !== 0) return (prot & Prot.WRITE) !== 0;
  if (access === Access.FETCH) return (prot & Prot.EXEC) !== 0;
  return prot !== 0;
}
