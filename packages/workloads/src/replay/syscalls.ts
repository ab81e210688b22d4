import type { AddressSpaces, Mm } from "@kpkeys/core/contracts";
import { EventKind, isErrno } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";
import type { PageMath } from "./page-math.js";
import type { Thread } from "./threads.js";

/** The error after which part of a call stays done: a hole in the range of madvise. */
const ENOMEM = -12;

/** Carries out the system calls of a trace that change mappings. */
export class Syscalls {
  /** Calls that Linux carried out and the machine refused: of no length, outside its user half, of mappings that are not there. */
  refused = 0;
  readonly #spaces: AddressSpaces;
  readonly #pages: PageMath;

  /**
   * @param spaces - the kernel's address spaces
   * @param pages - the machine's pages
   */
  constructor(spaces: AddressSpaces, pages: PageMath) {
    this.#spaces = spaces;
    this.#pages = pages;
  }

  /**
   * A thread enters a call.
   * @param thread - the caller
   * @param event - a `sys_enter_*` event
   */
  enter(thread: Thread, event: TraceEvent): void {
    thread.syscall = event.kind;
    thread.argHigh.set(event.argHigh);
    thread.argLow.set(event.argLow);
    if (event.kind === EventKind.sys_enter_execve) thread.execSwitched = false;
  }

  /**
   * A call returns. If it succeeded it is carried out: with the arguments of its entry and, where the kernel chose the address, with the
   * one that it returned.
   * @param thread - the caller, entered into the call
   * @param event - a `sys_exit_*` event
   */
  leave(thread: Thread, event: TraceEvent): void {
    if (thread.task.mm !== undefined && !this.#carryOut(thread.task.mm, thread, event)) {
      this.refused++;
      thread.program.refused++;
    }
    thread.syscall = -1;
  }

  /** @returns whether the model did as Linux did */
  #carryOut(mm: Mm, thread: Thread, event: TraceEvent): boolean {
    if (isErrno(event)) {
      const partly = event.argLow[0] === ENOMEM && thread.syscall === EventKind.sys_enter_madvise;
      return !partly || this.#madvise(mm, thread);
    }
    const spaces = this.#spaces;
    switch (thread.syscall) {
      case EventKind.sys_enter_mmap:
        return (
          spaces.mmap(mm, this.#returned(event), this.#length(thread, 1), thread.argLow[2]!, thread.argLow[3]!) === 0
        );
      case EventKind.sys_enter_munmap:
        return spaces.munmap(mm, this.#page(thread, 0), this.#length(thread, 1)) === 0;
      case EventKind.sys_enter_mprotect:
        return this.#mprotect(mm, thread);
      case EventKind.sys_enter_mremap:
        return this.#mremap(mm, thread, event);
      case EventKind.sys_enter_brk:
        return this.#brk(mm, thread, event);
      case EventKind.sys_enter_madvise:
        return this.#madvise(mm, thread);
      default:
        return true;
    }
  }

  #mprotect(mm: Mm, thread: Thread): boolean {
    const pages = this.#length(thread, 1);
    return pages === 0 || this.#spaces.mprotect(mm, this.#page(thread, 0), pages, thread.argLow[2]! & 7) === 0;
  }

  #mremap(mm: Mm, thread: Thread, event: TraceEvent): boolean {
    const page = this.#page(thread, 0);
    const newPage = this.#returned(event);
    const pages = this.#length(thread, 1);
    return this.#spaces.mremap(mm, page, pages, newPage, this.#length(thread, 2), thread.argLow[3]) === 0;
  }

  #brk(mm: Mm, { program }: Thread, event: TraceEvent): boolean {
    const end = this.#pages.pagesOf(event.argHigh[0]!, event.argLow[0]!);
    if (program.heapStart < 0) program.heapStart = end;
    return this.#spaces.brk(mm, end) === 0;
  }

  #madvise(mm: Mm, thread: Thread): boolean {
    const pages = this.#length(thread, 1);
    return pages === 0 || this.#spaces.madvise(mm, this.#page(thread, 0), pages, thread.argLow[2]!) === 0;
  }

  /** The page of an address that a call was entered with. */
  #page(thread: Thread, slot: number): number {
    return this.#pages.pageOf(thread.argHigh[slot]!, thread.argLow[slot]!);
  }

  /** The page of the address that a call returned. */
  #returned(event: TraceEvent): number {
    return this.#pages.pageAt(event, 0);
  }

  /** A length in bytes that a call was entered with, in pages. */
  #length(thread: Thread, slot: number): number {
    return this.#pages.pagesOf(thread.argHigh[slot]!, thread.argLow[slot]!);
  }
}
