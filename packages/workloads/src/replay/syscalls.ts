import type { AddressSpaces } from "@kpkeys/core/contracts";
import { argPage, EventKind, isErrno } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";
import type { Thread } from "./threads.js";

/** Pages of 4 KiB in 4 GiB. */
const PAGES_PER_HIGH_WORD = 0x100000;

/** The page of an address that a call was entered with. */
function page(thread: Thread, slot: number): number {
  return (thread.argHigh[slot]! >>> 0) * PAGES_PER_HIGH_WORD + (thread.argLow[slot]! >>> 12);
}

/** A length in bytes that a call was entered with, rounded up to pages. */
function pages(thread: Thread, slot: number): number {
  return page(thread, slot) + ((thread.argLow[slot]! & 0xfff) === 0 ? 0 : 1);
}

/**
 * Carries out a system call when its exit tells that it succeeded: with the arguments of its entry and, where the kernel chose
 * the address, with the one that it returned.
 * @param spaces - the kernel's address spaces
 * @param thread - the caller, entered into the call
 * @param event - a `sys_exit_*` event
 */
export function replaySyscall(spaces: AddressSpaces, thread: Thread, event: TraceEvent): void {
  const { mm } = thread.task;
  if (mm === undefined || isErrno(event)) return;
  switch (thread.syscall) {
    case EventKind.sys_enter_mmap:
      if (pages(thread, 1) > 0)
        spaces.mmap(mm, argPage(event, 0), pages(thread, 1), thread.argLow[2]!, thread.argLow[3]!);
      break;
    case EventKind.sys_enter_munmap:
      spaces.munmap(mm, page(thread, 0), pages(thread, 1));
      break;
    case EventKind.sys_enter_mprotect:
      if (pages(thread, 1) > 0) spaces.mprotect(mm, page(thread, 0), pages(thread, 1), thread.argLow[2]! & 7);
      break;
    case EventKind.sys_enter_mremap:
      spaces.mremap(mm, page(thread, 0), pages(thread, 1), argPage(event, 0), pages(thread, 2));
      break;
    case EventKind.sys_enter_brk:
      spaces.brk(mm, argPage(event, 0) + ((event.argLow[0]! & 0xfff) === 0 ? 0 : 1));
      break;
    case EventKind.sys_enter_madvise:
      spaces.madvise(mm, page(thread, 0), pages(thread, 1), thread.argLow[2]!);
      break;
  }
}
