import { Access, MapFlag, Privilege, Prot } from "@kpkeys/core/contracts";
import type { AddressSpaces, Mm } from "@kpkeys/core/contracts";
import { argPage } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";

/** Bits of a #PF error code (arch/x86/include/asm/trap_pf.h), which the trace's faults carry. */
const ERROR_WRITE = 2;
const ERROR_FETCH = 16;

/** Stacks start at most 16 GiB below the end of the user's half (STACK_RND_MASK pages): the page there. */
const STACK_REGION = 0x7ffc00000;

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
   * @param event - `page_fault_user` or `page_fault_kernel`
   * @param privilege - on whose behalf
   */
  replay(mm: Mm, event: TraceEvent, privilege: Privilege): void;
}

/**
 * Makes the replay of faults.
 * @param spaces - the kernel's address spaces
 */
export function createUserFaults(spaces: AddressSpaces): UserFaults {
  const counts: FaultCounts = { alreadyMapped: 0, inferredMappings: 0, unexplainedFaults: 0 };

  /**
   * Maps a page that execve must have mapped: a stack where stacks are, if it is written, else a page of a file (ELF segment,
   * vdso). Its rights are not in the trace, so it has all.
   */
  function infer(mm: Mm, page: number, access: Access): void {
    const stack = page >= STACK_REGION && access === Access.WRITE;
    const flags = MapFlag.PRIVATE | (stack ? MapFlag.ANONYMOUS | MapFlag.GROWSDOWN : 0);
    spaces.mmap(mm, page, 1, Prot.READ | Prot.WRITE | Prot.EXEC, flags);
    counts.inferredMappings++;
  }

  return {
    counts,
    replay(mm, event, privilege) {
      const high = event.argHigh[0]!;
      const low = event.argLow[0]!;
      const errorCode = event.argLow[2]!;
      if (high >>> 15 !== 0) {
        counts.unexplainedFaults++;
        return;
      }
      const access =
        (errorCode & ERROR_WRITE) !== 0 ? Access.WRITE : (errorCode & ERROR_FETCH) !== 0 ? Access.FETCH : Access.READ;
      let faults = spaces.touch(mm, high, low, access, privilege);
      if (faults < 0 && spaces.protectionAt(mm, argPage(event, 0)) < 0) {
        infer(mm, argPage(event, 0), access);
        faults = spaces.touch(mm, high, low, access, privilege);
      }
      if (faults === 0) counts.alreadyMapped++;
      else if (faults < 0) counts.unexplainedFaults++;
    },
  };
}
