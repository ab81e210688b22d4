import { Access, MapFlag, Privilege, Prot, toVpn } from "@kpkeys/core/contracts";
import type { AddressSpaces, Mm } from "@kpkeys/core/contracts";
import type { TraceEvent } from "../reader/event.js";
import type { PageMath } from "./page-math.js";
import type { Program } from "./program.js";
import type { UserAreas } from "./user-areas.js";

/** Bits of the #PF error code (arch/x86/include/asm/trap_pf.h) in a fault event. */
const ERROR_WRITE = 2;
const ERROR_FETCH = 16;

/** Protection of an inferred mapping; the trace does not have it. */
const ALL_RIGHTS = Prot.READ | Prot.WRITE | Prot.EXEC;

/** The outcome of a trace's faults. */
export interface FaultCounts {
  /** Faults on pages that the model had already mapped. */
  alreadyMapped: number;
  /** Mappings inferred from faults, without a system call: those of execve. */
  inferredMappings: number;
  /** Faults outside every mapping: accesses that ended in a signal, or addresses outside the machine's user half. */
  unexplainedFaults: number;
}

/** Replays page faults as accesses. */
export class UserFaults {
  /** The counts so far. */
  readonly counts: FaultCounts = { alreadyMapped: 0, inferredMappings: 0, unexplainedFaults: 0 };
  private readonly spaces: AddressSpaces;
  private readonly pages: PageMath;
  private readonly areas: UserAreas;
  private readonly userEnd: number;

  /**
   * @param spaces - the kernel's address spaces
   * @param pages - the machine's pages
   * @param areas - classifies addresses
   * @param userEnd - one past the last page of the machine's user half
   */
  constructor(spaces: AddressSpaces, pages: PageMath, areas: UserAreas, userEnd: number) {
    this.spaces = spaces;
    this.pages = pages;
    this.areas = areas;
    this.userEnd = userEnd;
  }

  /**
   * Replays the access of a fault event.
   * @param mm - the current address space
   * @param program - its program
   * @param event - `page_fault_user` or `page_fault_kernel`
   * @param privilege - privilege of the access
   */
  replay(mm: Mm, program: Program, event: TraceEvent, privilege: Privilege): void {
    const errorCode = event.argLow[2]!;
    const access =
      (errorCode & ERROR_WRITE) !== 0 ? Access.WRITE : (errorCode & ERROR_FETCH) !== 0 ? Access.FETCH : Access.READ;
    this.access(mm, program, event, access, privilege);
  }

  /**
   * Replays the access of a sample, which does not show the kind of access: a write if the mapping allows it, else a read or a fetch.
   * @param mm - the current address space
   * @param program - its program
   * @param event - `page_fault`
   */
  replaySample(mm: Mm, program: Program, event: TraceEvent): void {
    const page = this.pages.pageAt(event, 0);
    const prot = this.spaces.protectionAt(mm, toVpn(page));
    const write = prot === undefined ? this.areas.isStack(page) : (prot & Prot.WRITE) !== 0;
    const fetch = prot !== undefined && (prot & (Prot.READ | Prot.EXEC)) === Prot.EXEC;
    this.access(mm, program, event, write ? Access.WRITE : fetch ? Access.FETCH : Access.READ, Privilege.USER);
  }

  /**
   * Whether an address is in a mapping.
   * @param mm - the address space
   * @param event - a fault
   */
  isMapped(mm: Mm, event: TraceEvent): boolean {
    return this.isPageMapped(mm, this.pages.pageAt(event, 0));
  }

  private isPageMapped(mm: Mm, page: number): boolean {
    return this.spaces.protectionAt(mm, toVpn(page)) !== undefined;
  }

  private access(mm: Mm, program: Program, event: TraceEvent, access: Access, privilege: Privilege): void {
    const page = this.pages.pageAt(event, 0);
    if (page >= this.userEnd) {
      this.unexplained(program);
      return;
    }
    let faults = this.spaces.touch(mm, toVpn(page), access, privilege);
    if (faults === undefined && !this.isPageMapped(mm, page) && this.infer(mm, program, page, access))
      faults = this.spaces.touch(mm, toVpn(page), access, privilege);
    if (faults === 0) this.counts.alreadyMapped++;
    else if (faults === undefined) this.unexplained(program);
  }

  private unexplained(program: Program): void {
    this.counts.unexplainedFaults++;
    program.unexplained++;
  }

  /**
   * Maps the page of a fault outside every known mapping, if it may be in a mapping of execve: as a stack for a write in the stack area,
   * else as a page of a file (ELF segment, vdso).
   */
  private infer(mm: Mm, program: Program, page: number, access: Access): boolean {
    if (this.growSegment(mm, program, page)) return true;
    if (!this.areas.mayBeMapped(program, page)) return false;
    const stack = this.areas.isStack(page) && access === Access.WRITE;
    if (stack) this.inferStackTop(mm, program, page);
    const flags = MapFlag.PRIVATE | (stack ? MapFlag.ANONYMOUS | MapFlag.GROWSDOWN : 0);
    if (!this.isPageMapped(mm, page)) this.spaces.mmap(mm, toVpn(page), 1, ALL_RIGHTS, flags);
    this.counts.inferredMappings++;
    return true;
  }

  /** A fault above the known end of a shared memory segment, with no mapping between, shows that the segment reaches that page. */
  private growSegment(mm: Mm, { segments }: Program, page: number): boolean {
    if (segments.length === 0) return false;
    const below = this.spaces.endBelow(mm, toVpn(page));
    const segment = segments.find(({ end }) => end === below);
    if (segment === undefined) return false;
    this.spaces.mmap(mm, toVpn(below), page + 1 - below, segment.prot, MapFlag.SHARED | MapFlag.ANONYMOUS);
    segment.end = page + 1;
    this.counts.inferredMappings++;
    return true;
  }

  /** execve fills the top of a stack without a fault, so at least the page above the first fault is mapped. */
  private inferStackTop(mm: Mm, program: Program, page: number): void {
    if (program.stackPage !== undefined || program.fromBefore) return;
    program.stackPage = page;
    if (this.isPageMapped(mm, page + 1)) return;
    const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.GROWSDOWN | MapFlag.POPULATE;
    this.spaces.mmap(mm, toVpn(page + 1), 1, ALL_RIGHTS, flags);
  }
}
