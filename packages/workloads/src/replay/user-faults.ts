import { Access, MapFlag, Privilege, Prot } from "@kpkeys/core/contracts";
import type { AddressSpaces, Mm } from "@kpkeys/core/contracts";
import { argPage } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";
import { isStackPage, mayBeMapped } from "./program.js";
import type { Program } from "./program.js";

/** Bits of a #PF error code (arch/x86/include/asm/trap_pf.h), which the trace's faults carry. */
const ERROR_WRITE = 2;
const ERROR_FETCH = 16;

/** What came of the faults of a trace. */
export interface FaultCounts {
  /** Faults on pages that were mapped in the model already. */
  alreadyMapped: number;
  /** Mappings that no system call made: those of execve, inferred from the faults on them. */
  inferredMappings: number;
  /** Faults that no mapping explains: the signal of a wrong access, or the kernel's half. */
  unexplainedFaults: number;
}

/** Replays page faults as accesses. */
export interface UserFaults {
  /** What came of them so far. */
  readonly counts: FaultCounts;
  /**
   * Makes the access that a fault event tells of.
   * @param mm - the address space, which is the current one
   * @param program - what is known of what it runs
   * @param event - `page_fault_user` or `page_fault_kernel`
   * @param privilege - on whose behalf
   */
  replay(mm: Mm, program: Program, event: TraceEvent, privilege: Privilege): void;
}

/**
 * Makes the replay of faults.
 * @param spaces - the kernel's address spaces
 */
export function createUserFaults(spaces: AddressSpaces): UserFaults {
  const counts: FaultCounts = { alreadyMapped: 0, inferredMappings: 0, unexplainedFaults: 0 };

  /**
   * Maps the page of a fault that lies in no known mapping and may lie in one of execve's: a stack where stacks are, if it is
   * written, else a page of a file (ELF segment, vdso). Its rights are not in the trace, so it has all.
   */
  function infer(mm: Mm, program: Program, page: number, access: Access): boolean {
    if (!mayBeMapped(program, page)) return false;
    const stack = isStackPage(page) && access === Access.WRITE;
    if (stack) inferStackTop(mm, program, page);
    const flags = MapFlag.PRIVATE | (stack ? MapFlag.ANONYMOUS | MapFlag.GROWSDOWN : 0);
    if (spaces.protectionAt(mm, page) < 0) spaces.mmap(mm, page, 1, Prot.READ | Prot.WRITE | Prot.EXEC, flags);
    counts.inferredMappings++;
    return true;
  }

  /** The first fault on a stack is below what execve filled of it without a fault: at least the page above is there. */
  function inferStackTop(mm: Mm, program: Program, page: number): void {
    if (program.stackPage >= 0 || program.fromBefore) return;
    program.stackPage = page;
    if (spaces.protectionAt(mm, page + 1) >= 0) return;
    const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.GROWSDOWN | MapFlag.POPULATE;
    spaces.mmap(mm, page + 1, 1, Prot.READ | Prot.WRITE | Prot.EXEC, flags);
  }

  function unexplained(program: Program): void {
    counts.unexplainedFaults++;
    program.unexplained++;
  }

  return {
    counts,
    replay(mm, program, event, privilege) {
      const high = event.argHigh[0]!;
      const low = event.argLow[0]!;
      const errorCode = event.argLow[2]!;
      if (high >>> 15 !== 0) {
        unexplained(program);
        return;
      }
      const access =
        (errorCode & ERROR_WRITE) !== 0 ? Access.WRITE : (errorCode & ERROR_FETCH) !== 0 ? Access.FETCH : Access.READ;
      let faults = spaces.touch(mm, high, low, access, privilege);
      if (faults < 0) {
        const page = argPage(event, 0);
        if (spaces.protectionAt(mm, page) < 0 && infer(mm, program, page, access))
          faults = spaces.touch(mm, high, low, access, privilege);
      }
      if (faults === 0) counts.alreadyMapped++;
      else if (faults < 0) unexplained(program);
    },
  };
}
