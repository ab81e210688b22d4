/**
 * The events that a trace is read for, each a small number so that a handler can switch on it. Entries of system calls are
 * even, and the exit of each follows its entry. The names are the kernel's; `eventNames` gives them with their subsystem, as
 * `perf script` prints them. Calls that do the same have one kind: `pkey_mprotect` is `mprotect`, `mmap2` and `mmap_pgoff`
 * are `mmap`, `execveat` is `execve`.
 */
export const EventKind = {
  /** Arguments: addr, len, prot, flags, fd, off (in pages if the call was `mmap2` or `mmap_pgoff`). */
  sys_enter_mmap: 0,
  /** Argument, as of every `sys_exit_*`: the return value, an address or a negative errno. */
  sys_exit_mmap: 1,
  /** Arguments: addr, len. */
  sys_enter_munmap: 2,
  /** Argument: 0 or a negative errno. */
  sys_exit_munmap: 3,
  /** Arguments: start, len, prot. */
  sys_enter_mprotect: 4,
  /** Argument: 0 or a negative errno. */
  sys_exit_mprotect: 5,
  /** Arguments: addr, old_len, new_len, flags, new_addr. */
  sys_enter_mremap: 6,
  /** Argument: the new address or a negative errno. */
  sys_exit_mremap: 7,
  /** Argument: the break asked for, 0 to ask where it is. */
  sys_enter_brk: 8,
  /** Argument: the break that holds from now on. */
  sys_exit_brk: 9,
  /** Arguments: start, len, behavior. */
  sys_enter_madvise: 10,
  /** Argument: 0 or a negative errno. */
  sys_exit_madvise: 11,
  /** Arguments: clone_flags, newsp, parent_tidptr, then child_tidptr and tls (on arm64 the other way round). */
  sys_enter_clone: 12,
  /** Argument: the child's pid in the parent, 0 in the child, or a negative errno. */
  sys_exit_clone: 13,
  /** Arguments: the address of a struct clone_args, whose content no trace holds, and its size. */
  sys_enter_clone3: 14,
  /** Argument: the child's pid in the parent, 0 in the child, or a negative errno. */
  sys_exit_clone3: 15,
  /** No argument. */
  sys_enter_fork: 16,
  /** Argument: the child's pid in the parent, 0 in the child, or a negative errno. */
  sys_exit_fork: 17,
  /** No argument. */
  sys_enter_vfork: 18,
  /** Argument: the child's pid in the parent, 0 in the child, or a negative errno. */
  sys_exit_vfork: 19,
  /** Arguments: filename, argv, envp, each a user address. */
  sys_enter_execve: 20,
  /** Argument: 0 or a negative errno. */
  sys_exit_execve: 21,
  /** Arguments: start, len. */
  sys_enter_mlock: 22,
  /** Argument: 0 or a negative errno. */
  sys_exit_mlock: 23,
  /** Arguments: start, len. */
  sys_enter_munlock: 24,
  /** Argument: 0 or a negative errno. */
  sys_exit_munlock: 25,
  /** Argument: flags. */
  sys_enter_mlockall: 26,
  /** Argument: 0 or a negative errno. */
  sys_exit_mlockall: 27,
  /** No argument. */
  sys_enter_munlockall: 28,
  /** Argument: 0 or a negative errno. */
  sys_exit_munlockall: 29,
  /** Arguments: shmid, shmaddr, shmflg. The size of the segment is in no event. */
  sys_enter_shmat: 30,
  /** Argument: the address of the mapping or a negative errno. */
  sys_exit_shmat: 31,
  /** Argument: shmaddr. */
  sys_enter_shmdt: 32,
  /** Argument: 0 or a negative errno. */
  sys_exit_shmdt: 33,
  /** Arguments: start, size, prot, pgoff, flags. */
  sys_enter_remap_file_pages: 34,
  /** Argument: 0 or a negative errno. */
  sys_exit_remap_file_pages: 35,
  /** Arguments: pidfd, vec, vlen, behavior, flags. The ranges are in memory at vec, whose content no trace has. */
  sys_enter_process_madvise: 36,
  /** Argument: the number of bytes advised or a negative errno. */
  sys_exit_process_madvise: 37,
  /** Arguments: start, len, flags. With MLOCK_ONFAULT it fills nothing. */
  sys_enter_mlock2: 38,
  /** Argument: 0 or a negative errno. */
  sys_exit_mlock2: 39,
  /** Argument: the exit status. There is no exit of this call. */
  sys_enter_exit_group: 40,
  /** Arguments: address, ip, error_code. */
  page_fault_user: 41,
  /** Arguments: address, ip (0 when printed as a symbol: then it is {@link TraceEvent.text}), error_code. */
  page_fault_kernel: 42,
  /** Argument: address. A sample of perf's software event: whether the access was a read or a write, by user or kernel, is unknown. */
  page_fault: 43,
  /** Arguments: pid, child_pid. The text is the child's comm. */
  sched_process_fork: 44,
  /** Arguments: pid, old_pid. The text is the file name. */
  sched_process_exec: 45,
  /** Arguments: pid, group_dead (1 true, 0 false, -1 when this kernel does not print it). */
  sched_process_exit: 46,
  /** Arguments: prev_pid, prev_state (low word: code of its first letter; high word: 1 if preempted, `R+`), next_pid. The text is next_comm. */
  sched_switch: 47,
} as const;

/** A number of {@link EventKind}. */
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

/** A name of {@link EventKind}. */
export type EventName = keyof typeof EventKind;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * One event of a trace. The reader fills the same record for every line, so a handler takes what it needs and keeps no
 * reference to it.
 *
 * An argument is 64 bits wide and stands in two words of the same index, both int32:
 *
 * ```
 *   63            32 31             0
 *   +---------------+---------------+
 *   |  argHigh[i]   |   argLow[i]   |
 *   +---------------+---------------+
 * ```
 *
 * How many there are and what each means stands at {@link EventKind}; slots beyond them hold leftovers.
 */
export class TraceEvent {
  /** Which tracepoint. */
  kind: EventKind = EventKind.sys_enter_mmap;
  /** The thread that ran when the tracepoint was hit; -1 when perf did not know it. */
  tid = 0;
  /** The process that the thread belongs to, or -1 when the trace has no such column. */
  pid = -1;
  /** The CPU, or -1 when the trace has no such column. */
  cpu = 0;
  /** When, in nanoseconds of perf's clock (most often since boot), rounded to what was printed; exact below 2^53 ns (104 days). */
  time: number = Number.NaN;
  /** The line of the trace, from 1. */
  line = 0;
  /** Bits 63 to 32 of each argument. */
  readonly argHigh: Int32Array = new Int32Array(6);
  /** Bits 31 to 0 of each argument. */
  readonly argLow: Int32Array = new Int32Array(6);

  /** @internal The block of text in which the names lie. */
  bytes: Uint8Array = new Uint8Array(0);
  /** @internal */
  commStart = 0;
  /** @internal */
  commEnd = 0;
  /** @internal */
  textStart = 0;
  /** @internal */
  textEnd = 0;
  /** @internal A fault's address was printed as a kernel symbol or not at all, so that its value is unknown. */
  unknownAddress = false;
  /** @internal How many events a sample stands for, by its column; 1 without one. */
  period = 1;
  /** @internal The number of a system call that was printed without a name. */
  callNumber = -1;

  /** @returns the thread's comm. Decoded at each call, and only while the handler runs: for rare events, not for each. */
  comm(): string {
    return decoder.decode(this.bytes.subarray(this.commStart, this.commEnd));
  }

  /** @returns the name among the arguments, where {@link EventKind} says there is one, else "". Valid as long as {@link TraceEvent.comm}. */
  text(): string {
    return decoder.decode(this.bytes.subarray(this.textStart, this.textEnd));
  }
}

/**
 * @param event - the event
 * @param slot - which argument, 0 to 5
 * @returns the argument as an unsigned number, exact below 2^53
 */
export function argUnsigned(event: TraceEvent, slot: number): number {
  return (event.argHigh[slot]! >>> 0) * 0x1_0000_0000 + (event.argLow[slot]! >>> 0);
}

/**
 * @param event - the event
 * @param slot - which argument, 0 to 5
 * @returns the argument as a signed number, exact for magnitudes below 2^53
 */
export function argSigned(event: TraceEvent, slot: number): number {
  return event.argHigh[slot]! * 0x1_0000_0000 + (event.argLow[slot]! >>> 0);
}

/**
 * @param event - the event
 * @param slot - which argument, 0 to 5: an address
 * @returns the number of the 4 KiB page that holds the address: bits 63 to 12, exact
 */
export function argPage(event: TraceEvent, slot: number): number {
  return (event.argHigh[slot]! >>> 0) * 0x10_0000 + (event.argLow[slot]! >>> 12);
}

/**
 * @param event - a `sys_exit_*` event
 * @returns whether its return value is an error: -4095 to -1, as IS_ERR_VALUE of include/linux/err.h has it
 */
export function isErrno(event: TraceEvent): boolean {
  const low = event.argLow[0]!;
  return event.argHigh[0] === -1 && low < 0 && low >= -4095;
}
