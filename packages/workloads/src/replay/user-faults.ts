import { Access, MapFlag, Privilege, Prot, toVpn } from "@kpkeys/core/contracts";
import type { AddressSpaces, Mm } from "@kpkeys/core/contracts";
import type { TraceEvent } from "../reader/event.js";
import type { PageMath } from "./page-math.js";
import type { Program } from "./program.js";
import type { UserAreas } from "./user-areas.js";

/** Bits of a #PF error code (arch/x86/include/asm/trap_pf.h), which the trace's faults have. */
const ERROR_WRITE = 2;
const ERROR_FETCH = 16;

/** Rights of a mapping that the trace does not show. */
const ALL_RIGHTS = Prot.READ | Prot.WRITE | Prot.EXEC;

/** What came of the faults of a trace. */
export interface FaultCounts {
  /** Faults on pages that were mapped in the model already. */
  alreadyMapped: number;
  /** Mappings that no system call made: those of execve, inferred from the faults on them. */
  inferredMappings: number;
  /** Faults that no mapping explains: the signal of a wrong access, or an address outside the machine's user half. */
  unexplainedFaults: number;
}

/** Replays page faults as accesses. */
export class UserFaults {
  /** What came of them so far. */
  readonly counts: FaultCounts = { alreadyMapped: 0, inferredMappings: 0, unexplainedFaults: 0 };
  private readonly spaces: AddressSpaces;
  private readonly pages: PageMath;
  private readonly areas: UserAreas;
  private readonly userEnd: number;

  /**
   * @param spaces - the kernel's address spaces
   * @param pages - the machine's pages
   * @param areas - what addresses can be
   * @param userEnd - one past the last page of the machine's user half
   */
  constructor(spaces: AddressSpaces, pages: PageMath, areas: UserAreas, userEnd: number) {
    this.spaces = spaces;
    this.pages = pages;
    this.areas = areas;
    this.userEnd = userEnd;
  }

  /**
   * Makes the access of a fault event.
   * @param mm - the address space, which is the current one
   * @param program - what is known of what it runs
   * @param event - `page_fault_user` or `page_fault_kernel`
   * @param privilege - on whose behalf
   */
  replay(mm: Mm, program: Program, event: TraceEvent, privilege: Privilege): void {
    const errorCode = event.argLow[2]!;
    const access =
      (errorCode & ERROR_WRITE) !== 0 ? Access.WRITE : (errorCode & ERROR_FETCH) !== 0 ? Access.FETCH : Access.READ;
    this.access(mm, program, event, access, privilege);
  }

  /**
   * Makes the access of a sample, whose kind is unknown: a write where the mapping allows it, else a read or a fetch.
   * @param mm - the address space, which is the current one
   * @param program - what is known of what it runs
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
   * Maps the page of a fault that is in no known mapping and may be in one of execve's: a stack where stacks are, if it is
   * written, else a page of a file (ELF segment, vdso). Its rights are not in the trace, so it has all.
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

  /** A fault above what is known of shared memory, with nothing mapped between, shows that the segment reaches at least there. */
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

  /** The first fault on a stack is below what execve filled of it without a fault: at least the page above is there. */
  private inferStackTop(mm: Mm, program: Program, page: number): void {
    if (program.stackPage !== undefined || program.fromBefore) return;
    program.stackPage = page;
    if (this.isPageMapped(mm, page + 1)) return;
    const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.GROWSDOWN | MapFlag.POPULATE;
    this.spaces.mmap(mm, toVpn(page + 1), 1, ALL_RIGHTS, flags);
  }
}
