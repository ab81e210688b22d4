import { Errno, MapFlag, Prot, toVpn } from "@kpkeys/core/contracts";
import type { AddressSpaces, Mm } from "@kpkeys/core/contracts";
import { EventKind, isErrno } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";
import type { PageMath } from "./page-math.js";
import type { Thread } from "./threads.js";

/** SHM_ bits of shmat (include/uapi/linux/shm.h). */
const SHM = { RDONLY: 0o10000, EXEC: 0o100000 } as const;

/** MAP_NONBLOCK of include/uapi/asm-generic/mman.h, which remap_file_pages takes as well. */
const MAP_NONBLOCK = 0x10000;

/** Leaves the pages of mlock2 to their faults (include/uapi/asm-generic/mman-common.h). */
const MLOCK_ONFAULT = 1;

/** Carries out a call that succeeded. @returns whether the model did as Linux did */
type CallHandler = (mm: Mm, thread: Thread, event: TraceEvent) => boolean;

/** Carries out the system calls of a trace that change mappings. */
export class Syscalls {
  /** Calls that Linux carried out and the machine refused: of no length, outside its user half, of mappings that are not there. */
  refused = 0;
  /** Calls that succeeded and whose effect no trace has: the ranges of process_madvise are in the caller's memory. */
  unknownEffects = 0;
  /** Calls of execve that succeeded. */
  execs = 0;
  private readonly spaces: AddressSpaces;
  private readonly pages: PageMath;
  /** What carries out each call, by the kind of its entry; the others change no mapping. */
  private readonly calls: ReadonlyMap<number, CallHandler> = new Map<EventKind, CallHandler>([
    [EventKind.sys_enter_mmap, (mm, thread, event) => this.mmap(mm, thread, event)],
    [EventKind.sys_enter_munmap, (mm, thread) => this.munmap(mm, thread)],
    [EventKind.sys_enter_mprotect, (mm, thread) => this.mprotect(mm, thread)],
    [EventKind.sys_enter_mremap, (mm, thread, event) => this.mremap(mm, thread, event)],
    [EventKind.sys_enter_brk, (mm, thread, event) => this.brk(mm, thread, event)],
    [EventKind.sys_enter_madvise, (mm, thread) => this.madvise(mm, thread)],
    [EventKind.sys_enter_mlock, (mm, thread) => this.lock(mm, thread, "mlock")],
    [EventKind.sys_enter_mlock2, (mm, thread) => this.mlock2(mm, thread)],
    [EventKind.sys_enter_munlock, (mm, thread) => this.lock(mm, thread, "munlock")],
    [EventKind.sys_enter_mlockall, (mm, thread) => this.mlockall(mm, thread)],
    [EventKind.sys_enter_munlockall, (mm) => this.munlockall(mm)],
    [EventKind.sys_enter_shmat, (mm, thread, event) => this.shmat(mm, thread, event)],
    [EventKind.sys_enter_shmdt, (mm, thread) => this.shmdt(mm, thread)],
    [EventKind.sys_enter_remap_file_pages, (mm, thread) => this.remapFilePages(mm, thread)],
    [EventKind.sys_enter_process_madvise, () => this.processMadvise()],
  ]);

  /**
   * @param spaces - the kernel's address spaces
   * @param pages - the machine's pages
   */
  constructor(spaces: AddressSpaces, pages: PageMath) {
    this.spaces = spaces;
    this.pages = pages;
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
   * @throws KpkeysError ERR_TRACE_PAGE_SIZE
   */
  leave(thread: Thread, event: TraceEvent): void {
    if (event.kind === EventKind.sys_exit_execve && !isErrno(event)) this.execs++;
    const { mm } = thread.task;
    // Without its own entry an exit has no arguments: it returns in a child, or is one half of a call.
    const call = thread.syscall !== undefined && event.kind === thread.syscall + 1 ? thread.syscall : undefined;
    if (call !== undefined && mm !== undefined && !this.carryOut(mm, thread, call, event)) {
      this.refused++;
      thread.program.refused++;
    }
    thread.syscall = undefined;
  }

  /** @returns whether the model did as Linux did */
  private carryOut(mm: Mm, thread: Thread, call: number, event: TraceEvent): boolean {
    if (isErrno(event)) {
      // After a hole in its range a part of madvise stays done.
      const partly = event.argLow[0] === Errno.ENOMEM && call === EventKind.sys_enter_madvise;
      return !partly || this.madvise(mm, thread);
    }
    return this.calls.get(call)?.(mm, thread, event) ?? true;
  }

  private mmap(mm: Mm, thread: Thread, event: TraceEvent): boolean {
    if (!this.pages.isPageAddress(event.argLow[0]!)) return false;
    const page = this.returned(event);
    return this.spaces.mmap(mm, toVpn(page), this.length(thread, 1), thread.argLow[2]!, thread.argLow[3]!) === 0;
  }

  private munmap(mm: Mm, thread: Thread): boolean {
    return this.starts(thread) && this.spaces.munmap(mm, toVpn(this.page(thread, 0)), this.length(thread, 1)) === 0;
  }

  private mprotect(mm: Mm, thread: Thread): boolean {
    const pages = this.length(thread, 1);
    if (!this.starts(thread)) return false;
    return pages === 0 || this.spaces.mprotect(mm, toVpn(this.page(thread, 0)), pages, thread.argLow[2]! & 7) === 0;
  }

  private mremap(mm: Mm, thread: Thread, event: TraceEvent): boolean {
    if (!this.starts(thread) || !this.pages.isPageAddress(event.argLow[0]!)) return false;
    const page = this.page(thread, 0);
    const newPage = this.returned(event);
    const pages = this.length(thread, 1);
    return this.spaces.mremap(mm, toVpn(page), pages, toVpn(newPage), this.length(thread, 2), thread.argLow[3]) === 0;
  }

  private brk(mm: Mm, { program }: Thread, event: TraceEvent): boolean {
    const end = this.pages.pagesOf(event.argHigh[0]!, event.argLow[0]!);
    program.heapStart ??= end;
    return this.spaces.brk(mm, toVpn(end)) === 0;
  }

  private madvise(mm: Mm, thread: Thread): boolean {
    const pages = this.length(thread, 1);
    if (!this.starts(thread)) return false;
    return pages === 0 || this.spaces.madvise(mm, toVpn(this.page(thread, 0)), pages, thread.argLow[2]!) === 0;
  }

  private lock(mm: Mm, thread: Thread, call: "mlock" | "munlock"): boolean {
    const end = this.end(thread);
    const page = this.page(thread, 0);
    return end === page || this.spaces[call](mm, toVpn(page), end - page) === 0;
  }

  private mlock2(mm: Mm, thread: Thread): boolean {
    return (thread.argLow[2]! & MLOCK_ONFAULT) !== 0 || this.lock(mm, thread, "mlock");
  }

  private mlockall(mm: Mm, thread: Thread): boolean {
    thread.program.lockedAll = true;
    this.spaces.mlockall(mm, thread.argLow[0]!);
    return true;
  }

  private munlockall(mm: Mm): boolean {
    this.spaces.mlockall(mm, 0);
    return true;
  }

  private processMadvise(): boolean {
    this.unknownEffects++;
    return true;
  }

  /** Maps the first page of the segment; faults above it show how far it reaches. */
  private shmat(mm: Mm, { program, argLow }: Thread, event: TraceEvent): boolean {
    if (!this.pages.isPageAddress(event.argLow[0]!)) return false;
    const start = this.returned(event);
    const flags = argLow[2]!;
    const write = (flags & SHM.RDONLY) === 0 ? Prot.WRITE : 0;
    const prot = Prot.READ | write | ((flags & SHM.EXEC) === 0 ? 0 : Prot.EXEC);
    program.segments.push({ start, end: start + 1, prot });
    return this.spaces.mmap(mm, toVpn(start), 1, prot, MapFlag.SHARED | MapFlag.ANONYMOUS) === 0;
  }

  private shmdt(mm: Mm, thread: Thread): boolean {
    const { segments } = thread.program;
    const start = this.page(thread, 0);
    const index = segments.findIndex((segment) => segment.start === start);
    const [segment] = index < 0 ? [] : segments.splice(index, 1);
    return segment !== undefined && this.spaces.munmap(mm, toVpn(start), segment.end - start) === 0;
  }

  /** Since Linux 4.0 it maps the range anew, with the mapping's own rights, and fills it. */
  private remapFilePages(mm: Mm, thread: Thread): boolean {
    const page = this.page(thread, 0);
    const prot = this.spaces.protectionAt(mm, toVpn(page));
    const flags = MapFlag.SHARED | MapFlag.POPULATE | (thread.argLow[4]! & MAP_NONBLOCK);
    return prot !== undefined && this.spaces.mmap(mm, toVpn(page), this.length(thread, 1), prot, flags) === 0;
  }

  /** The end of a range of bytes, rounded up to pages: mlock takes addresses inside of pages. */
  private end(thread: Thread): number {
    const low = (thread.argLow[0]! >>> 0) + (thread.argLow[1]! >>> 0);
    const high = (thread.argHigh[0]! >>> 0) + (thread.argHigh[1]! >>> 0) + Math.floor(low / 2 ** 32);
    return this.pages.pagesOf(high, low | 0);
  }

  /** Whether the range that a call was entered with starts at a page; Linux refuses others with EINVAL. */
  private starts(thread: Thread): boolean {
    return this.pages.isPageAddress(thread.argLow[0]!);
  }

  /** The page of an address that a call was entered with. */
  private page(thread: Thread, slot: number): number {
    return this.pages.pageOf(thread.argHigh[slot]!, thread.argLow[slot]!);
  }

  /** The page of the address that a call returned. */
  private returned(event: TraceEvent): number {
    return this.pages.pageAt(event, 0);
  }

  /** A length in bytes that a call was entered with, in pages. */
  private length(thread: Thread, slot: number): number {
    return this.pages.pagesOf(thread.argHigh[slot]!, thread.argLow[slot]!);
  }
}
