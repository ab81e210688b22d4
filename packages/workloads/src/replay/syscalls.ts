import type { AddressSpaces, Mm } from "@kpkeys/core/contracts";
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

/** Errors after which part of a call stays done: a hole in the range of madvise, or of mprotect from there on. */
const ENOMEM = -12;

/**
 * Carries out a system call when its exit tells that it succeeded: with the arguments of its entry and, where the kernel chose
 * the address, with the one that it returned.
 * @param spaces - the kernel's address spaces
 * @param thread - the caller, entered into the call
 * @param event - a `sys_exit_*` event
 * @returns whether the model did as Linux did
 */
export function replaySyscall(spaces: AddressSpaces, thread: Thread, event: TraceEvent): boolean {
  const { mm } = thread.task;
  if (mm === undefined) return true;
  if (isErrno(event)) {
    const partly = event.argLow[0] === ENOMEM && thread.syscall === EventKind.sys_enter_madvise;
    return !partly || madvise(spaces, mm, thread) === 0;
  }
  switch (thread.syscall) {
    case EventKind.sys_enter_mmap:
      return spaces.mmap(mm, argPage(event, 0), pages(thread, 1), thread.argLow[2]!, thread.argLow[3]!) === 0;
    case EventKind.sys_enter_munmap:
      return spaces.munmap(mm, page(thread, 0), pages(thread, 1)) === 0;
    case EventKind.sys_enter_mprotect:
      if (pages(thread, 1) === 0) return true;
      return spaces.mprotect(mm, page(thread, 0), pages(thread, 1), thread.argLow[2]! & 7) === 0;
    case EventKind.sys_enter_mremap:
      return mremap(spaces, mm, thread, event) === 0;
    case EventKind.sys_enter_brk: {
      const end = argPage(event, 0) + ((event.argLow[0]! & 0xfff) === 0 ? 0 : 1);
      if (thread.program.heapStart < 0) thread.program.heapStart = end;
      return spaces.brk(mm, end) === 0;
    }
    case EventKind.sys_enter_madvise:
      return madvise(spaces, mm, thread) === 0;
    default:
      return true;
  }
}

function mremap(spaces: AddressSpaces, mm: Mm, thread: Thread, event: TraceEvent): number {
  return spaces.mremap(mm, page(thread, 0), pages(thread, 1), argPage(event, 0), pages(thread, 2), thread.argLow[3]);
}

function madvise(spaces: AddressSpaces, mm: Mm, thread: Thread): number {
  const length = pages(thread, 1);
  return length === 0 ? 0 : spaces.madvise(mm, page(thread, 0), length, thread.argLow[2]!);
}
