import { Errno, MapFlag, Prot, toVpn } from "@kpkeys/core/contracts";
import type { AddressSpaces, Mm } from "@kpkeys/core/contracts";
import { EventKind, isErrno } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";
import type { PageMath } from "./page-math.js";
import type { Thread } from "./threads.js";

/** SHM_ bits of shmat (include/uapi/linux/shm.h). */
const SHM = { RDONLY: 0o10000, EXEC: 0o100000 } as const;

/** MAP_NONBLOCK of include/uapi/asm-generic/mman-common.h, also a flag of remap_file_pages. */
const MAP_NONBLOCK = 0x10000;

/** Replays a successful call. @returns false if the model refuses it */
type CallHandler = (mm: Mm, thread: Thread, event: TraceEvent) => boolean;

/** Replays the system calls that change mappings. */
export class Syscalls {
  /** Calls that succeeded on Linux and that the model refused: length 0, outside the user half, or mappings that do not exist. */
  refused = 0;
  /** Successful calls whose effect is not in the trace: process_madvise has its ranges in the caller's memory. */
  unknownEffects = 0;
  /** Successful calls of execve. */
  execs = 0;
  private readonly spaces: AddressSpaces;
  private readonly pages: PageMath;
  /** Handlers by the kind of the call's entry. Calls without a handler change no mapping. */
  private readonly calls: ReadonlyMap<number, CallHandler> = new Map<EventKind, CallHandler>([
    [EventKind.sys_enter_mmap, (mm, thread, event) => this.mmap(mm, thread, event)],
    [EventKind.sys_enter_munmap, (mm, thread) => this.munmap(mm, thread)],
    [EventKind.sys_enter_mprotect, (mm, thread) => this.mprotect(mm, thread)],
    [EventKind.sys_enter_mremap, (mm, thread, event) => this.mremap(mm, thread, event)],
    [EventKind.sys_enter_brk, (mm, thread, event) => this.brk(mm, thread, event)],
    [EventKind.sys_enter_madvise, (mm, thread) => this.madvise(mm, thread)],
    [EventKind.sys_enter_mlock, (mm, thread) => this.mlock(mm, thread, 0)],
    [EventKind.sys_enter_mlock2, (mm, thread) => this.mlock(mm, thread, thread.argLow[2]!)],
    [EventKind.sys_enter_munlock, (mm, thread) => this.munlock(mm, thread)],
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
   * A call returns. A successful call is replayed with the arguments of its entry; if the kernel chose the address, with the returned
   * address.
   * @param thread - the caller
   * @param event - a `sys_exit_*` event
   * @throws KpkeysError ERR_TRACE_PAGE_SIZE if the recorded kernel has smaller pages
   */
  leave(thread: Thread, event: TraceEvent): void {
    if (event.kind === EventKind.sys_exit_execve && !isErrno(event)) this.execs++;
    const { mm } = thread.task;
    // An exit without its entry has no arguments: the return of fork in the child, or a call whose entry is missing.
    const call = thread.syscall !== undefined && event.kind === thread.syscall + 1 ? thread.syscall : undefined;
    if (call !== undefined && mm !== undefined && !this.replay(mm, thread, call, event)) {
      this.refused++;
      thread.program.refused++;
    }
    thread.syscall = undefined;
  }

  /** @returns false if the model refuses the call */
  private replay(mm: Mm, thread: Thread, call: number, event: TraceEvent): boolean {
    if (isErrno(event)) {
      // madvise returns ENOMEM after it has advised the mapped parts of a range with a hole.
      const isPartial = event.argLow[0] === Errno.ENOMEM && call === EventKind.sys_enter_madvise;
      return !isPartial || this.madvise(mm, thread);
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

  private mlock(mm: Mm, thread: Thread, flags: number): boolean {
    const end = this.end(thread);
    const page = this.page(thread, 0);
    return end === page || this.spaces.mlock(mm, toVpn(page), end - page, flags) === 0;
  }

  private munlock(mm: Mm, thread: Thread): boolean {
    const end = this.end(thread);
    const page = this.page(thread, 0);
    return end === page || this.spaces.munlock(mm, toVpn(page), end - page) === 0;
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

  /** Maps the first page of the segment. Later faults above it extend the segment. */
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

  /** Since Linux 4.0 remap_file_pages replaces the range by a populated mapping with the same protection. */
  private remapFilePages(mm: Mm, thread: Thread): boolean {
    const page = this.page(thread, 0);
    const prot = this.spaces.protectionAt(mm, toVpn(page));
    const flags = MapFlag.SHARED | MapFlag.POPULATE | (thread.argLow[4]! & MAP_NONBLOCK);
    return prot !== undefined && this.spaces.mmap(mm, toVpn(page), this.length(thread, 1), prot, flags) === 0;
  }

  /** The end of a range of bytes, rounded up to pages: mlock accepts addresses inside a page. */
  private end(thread: Thread): number {
    const low = (thread.argLow[0]! >>> 0) + (thread.argLow[1]! >>> 0);
    const high = (thread.argHigh[0]! >>> 0) + (thread.argHigh[1]! >>> 0) + Math.floor(low / 2 ** 32);
    return this.pages.pagesOf(high, low | 0);
  }

  /** Whether the range of a call starts at a page; Linux returns EINVAL otherwise. */
  private starts(thread: Thread): boolean {
    return this.pages.isPageAddress(thread.argLow[0]!);
  }

  /** The page of an address argument. */
  private page(thread: Thread, slot: number): number {
    return this.pages.pageOf(thread.argHigh[slot]!, thread.argLow[slot]!);
  }

  /** The page of the returned address. */
  private returned(event: TraceEvent): number {
    return this.pages.pageAt(event, 0);
  }

  /** A length argument in pages. */
  private length(thread: Thread, slot: number): number {
    return this.pages.pagesOf(thread.argHigh[slot]!, thread.argLow[slot]!);
  }
}
