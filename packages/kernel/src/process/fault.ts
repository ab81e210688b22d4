import { Access, Errno, OK, Privilege, Prot } from "@kpkeys/core/contracts";
import type { EntryCursor, Pfn, Vpn, Words } from "@kpkeys/core/contracts";
import { KernelFault } from "../kernel-fault.js";
import { pageHigh, pageLow } from "../mm/addresses.js";
import type { KernelMm, ProcessParts, UserTables } from "./mm.js";
import { outOfMemory } from "../out-of-memory.js";
import { leafProtection } from "./protection.js";
import { isShared, VmFlag } from "./vma.js";
import type { Vma } from "./vma.js";

// What is imported is loaded each time; what stands here is folded.
const { WRITE, READ, FETCH } = Access;
const { USER } = Privilege;
const { EFAULT } = Errno;
const { WRITE: MAY_WRITE, EXEC: MAY_EXECUTE } = Prot;
const { GROWSDOWN } = VmFlag;
const DONE: number = OK;

/** `fault_around_bytes`: what a read fault on a file maps at once, at a multiple of as much. */
const FAULT_AROUND_BYTES = 64 * 1024;

/** How far below a mapping that grows downward a fault still extends it: RLIMIT_STACK. */
const STACK_BYTES = 8 * 1024 * 1024;

/** Pages that stay free between a mapping that grows downward and another that may be accessed: `stack_guard_gap`. */
const STACK_GUARD_PAGES = 256;

/** An access can fault more than once (a page is mapped, then its access state is set), but not without end. */
const MAXIMUM_FAULTS = 8;

/** Faults of user addresses. */
export interface FaultHandler {
  /** Faults handled so far. */
  readonly handled: number;
  /** See {@link AddressSpaces.touch}. */
  touch(mm: KernelMm, page: Vpn, access: Access, privilege: Privilege): number;
  /**
   * `populate_vma_page_range`: fills a range as faults would, without an access (MAP_POPULATE, MADV_POPULATE_READ and _WRITE).
   * @param mm - the address space
   * @param start - first virtual page, mapped
   * @param end - one past the last
   * @param access - as what; if left out a write in private mappings that allow it, else a read
   */
  populate(mm: KernelMm, start: Vpn, end: Vpn, access?: Access): void;
}

/** Makes the handler. @param parts - what it is made with @param userTables - the walk */
export function createFaultHandler(parts: ProcessParts, userTables: UserTables): FaultHandler {
  const { cpus, format, tables, frames, tlb, zeroPage, tools, exceptionEntry, sections } = parts;
  const { pageShift } = format.geometry;
  const faultAroundPages = FAULT_AROUND_BYTES >> pageShift;
  const stackPages = STACK_BYTES >> pageShift;
  const { lastLevel, entries } = userTables;

  /** The mapping that a fault belongs to, grown downward if it is a stack below its end: `expand_downwards`, which gives it an anon_vma even if it may grow no more. */
  function findVma(mm: KernelMm, page: number): Vma | undefined {
    const vma = mm.vmas.findAtOrAbove(page);
    if (vma === undefined || vma.start <= page) return vma;
    if ((vma.flags & GROWSDOWN) === 0) return undefined;
    const below = mm.vmas.findBelow(page);
    const guarded = below !== undefined && (below.flags & GROWSDOWN) === 0 && below.prot !== 0;
    if (guarded && page - below.end < STACK_GUARD_PAGES) return undefined;
    mm.vmas.prepareAnonVma(vma);
    if (vma.end - page > stackPages) return undefined;
    vma.start = page;
    return vma;
  }

  function allowed({ prot }: Vma, access: Access): boolean {
    if ((access & WRITE) !== 0) return (prot & MAY_WRITE) !== 0;
    if (access === FETCH) return (prot & MAY_EXECUTE) !== 0;
    return prot !== 0;
  }

  /** Sets a leaf to a frame: young, and dirty if it is written. */
  function setLeaf(table: Pfn, index: number, pfn: Pfn, vma: Vma, written: boolean): void {
    const leaf = { high: 0, low: 0 };
    format.makeLeaf(leaf, lastLevel, pfn, leafProtection(format, vma, written));
    if (written) format.makeDirty(leaf);
    tables.setPte(table, index, leaf);
  }

  /** A frame that the fault cannot do without. */
  function takeFrame(file: boolean): number {
    const pfn = frames.take(file);
    if (pfn < 0) throw outOfMemory("a user page");
    return pfn;
  }

  /** `do_fault_around`: a read of a file maps its neighbours too, inside the mapping and the table, as far as there is memory. */
  function faultAround(vma: Vma, { table, index, page }: EntryCursor): void {
    const window = page - (page & (faultAroundPages - 1));
    const first = Math.max(window, vma.start, page - index);
    const last = Math.min(window + faultAroundPages, vma.end, page - index + entries);
    for (let p = first; p < last; p++) {
      const i = index + (p - page);
      const { high, low } = tables.read(table, i);
      if (format.isPresent(high, low)) continue;
      const pfn = p > page ? frames.take(true) : takeFrame(true);
      if (pfn < 0) return;
      setLeaf(table, i, pfn, vma, false);
    }
  }

  /** `do_anonymous_page`, `do_read_fault`, `do_cow_fault`, `do_shared_fault`. */
  function mapMissing(mm: KernelMm, vma: Vma, entry: EntryCursor, write: boolean): void {
    const { table, index } = entry;
    if (!write) {
      if (vma.file === 0 && vma.anonymous) setLeaf(table, index, zeroPage, vma, false);
      else faultAround(vma, entry);
      return;
    }
    setLeaf(table, index, takeFrame(isShared(vma) && !vma.anonymous), vma, true);
    if (!isShared(vma)) mm.vmas.prepareAnonVma(vma);
  }

  /** `do_wp_page`: reuses the page when nobody shares it, else copies it. */
  function writeProtected(mm: KernelMm, vma: Vma, entry: EntryCursor, value: Words): void {
    const { table, index, page } = entry;
    const pfn = format.pfnOf(value.high, value.low);
    if (isShared(vma) || frames.isExclusive(pfn)) {
      makeAccessible(entry, value, true);
      return;
    }
    mm.vmas.prepareAnonVma(vma);
    const copy = takeFrame(false);
    tables.ptepGetAndClear(table, index);
    tlb.range(page, 1);
    setLeaf(table, index, copy, vma, true);
    frames.drop(pfn);
  }

  /** `ptep_set_access_flags`, and no translation left of how the entry was. */
  function makeAccessible({ table, index, page }: EntryCursor, value: Words, write: boolean): void {
    const leaf = { ...value };
    format.makeYoung(leaf);
    if (write) {
      format.makeWritable(leaf);
      format.makeDirty(leaf);
    }
    tables.ptepSetAccessFlags(table, index, leaf);
    tlb.range(page, 1);
  }

  /** `handle_pte_fault`, with the table locked. */
  function resolveFault(mm: KernelMm, vma: Vma, entry: EntryCursor, write: boolean): void {
    const value = entry.read();
    const { high, low } = value;
    if (!format.isPresent(high, low)) mapMissing(mm, vma, entry, write);
    else if (write && !format.isWritable(high, low)) writeProtected(mm, vma, entry, value);
    else makeAccessible(entry, value, write);
  }

  function handle(mm: KernelMm, page: Vpn, access: Access): number {
    return sections.operation(() => {
      const vma = findVma(mm, page);
      if (vma === undefined || !allowed(vma, access)) return EFAULT;
      const write = (access & WRITE) !== 0;
      const entry = userTables.ensure(mm, page);
      sections.lock(entry.table);
      try {
        resolveFault(mm, vma, entry, write);
      } finally {
        sections.unlock(entry.table);
      }
      return 0;
    });
  }

  /** Handles a fault of user or of kernel mode, and returns from it. */
  function takeFault(mm: KernelMm, page: Vpn, access: Access, privilege: Privilege): number {
    if (privilege === USER) cpus.current.synchroniseByException();
    else exceptionEntry.enter();
    try {
      return handle(mm, page, access);
    } finally {
      if (privilege === USER) cpus.current.synchroniseByException();
      else exceptionEntry.leave();
    }
  }

  // Plain fields: an object literal with accessors is slow to use.
  const handler: { -readonly [F in keyof FaultHandler]: FaultHandler[F] } = {
    handled: 0,
    populate(mm, start, end, access) {
      for (let page = start; page < end; page++) {
        const vma = mm.vmas.find(page);
        if (vma === undefined || vma.prot === 0) return;
        const write = (vma.prot & MAY_WRITE) !== 0 && !isShared(vma);
        const wanted = access ?? (write ? WRITE : READ);
        if (!allowed(vma, wanted)) return;
        const entry = userTables.ensure(mm, page);
        sections.lock(entry.table);
        const { high, low } = entry.read();
        sections.unlock(entry.table);
        if (!format.isPresent(high, low) || (wanted === WRITE && !format.isWritable(high, low)))
          handle(mm, page, wanted);
      }
    },
    touch(mm, page, access, privilege) {
      const high = pageHigh(page, pageShift);
      const low = pageLow(page, pageShift);
      for (let taken = 0; taken < MAXIMUM_FAULTS; taken++) {
        if (cpus.current.access(high, low, access, privilege) === DONE) return taken;
        const status = takeFault(mm, page, access, privilege);
        if (status < 0) return status;
        handler.handled++;
      }
      throw new KernelFault(cpus.current, tools, "handle_mm_fault");
    },
  };
  return handler;
}
