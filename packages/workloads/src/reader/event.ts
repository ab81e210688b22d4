/**
 * The kinds of events. The kind of a system call's entry is even, and the kind of its exit is one higher. The names are those of the
 * kernel; `eventNames` has them with their subsystem, as `perf script` prints them. Calls with the same effect have one kind:
 * `pkey_mprotect` is `mprotect`, `mmap2` and `mmap_pgoff` are `mmap`, `execveat` is `execve`.
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
  /** Argument: the requested break; 0 to query it. */
  sys_enter_brk: 8,
  /** Argument: the break after the call. */
  sys_exit_brk: 9,
  /** Arguments: start, len, behavior. */
  sys_enter_madvise: 10,
  /** Argument: 0 or a negative errno. */
  sys_exit_madvise: 11,
  /** Arguments: clone_flags, newsp, parent_tidptr, then child_tidptr and tls (on arm64 tls and child_tidptr). */
  sys_enter_clone: 12,
  /** Argument: the child's pid in the parent, 0 in the child, or a negative errno. */
  sys_exit_clone: 13,
  /** Arguments: the address of a struct clone_args and its size. The content of the struct is in no trace. */
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
  /** Arguments: shmid, shmaddr, shmflg. No event has the size of the segment. */
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
  /** Arguments: pidfd, vec, vlen, behavior, flags. The ranges are in memory at vec, and its content is in no trace. */
  sys_enter_process_madvise: 36,
  /** Argument: the number of bytes advised or a negative errno. */
  sys_exit_process_madvise: 37,
  /** Arguments: start, len, flags. With MLOCK_ONFAULT the call faults in no pages. */
  sys_enter_mlock2: 38,
  /** Argument: 0 or a negative errno. */
  sys_exit_mlock2: 39,
  /** Argument: the exit status. The call has no exit. */
  sys_enter_exit_group: 40,
  /** Arguments: address, ip, error_code. */
  page_fault_user: 41,
  /** Arguments: address, ip (0 if printed as a symbol, which is then {@link TraceEvent.text}), error_code. */
  page_fault_kernel: 42,
  /** Argument: address. A sample of perf's software event, which does not show the kind and the privilege of the access. */
  page_fault: 43,
  /** Arguments: pid, child_pid. The text is the child's comm. */
  sched_process_fork: 44,
  /** Arguments: pid, old_pid. The text is the file name. */
  sched_process_exec: 45,
  /** Arguments: pid, group_dead (1 true, 0 false, -1 if the kernel does not print it). */
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
 * An event of a trace. The reader reuses the record for every event: copy the fields needed and keep no reference.
 *
 * An argument has 64 bits, stored as two int32 words with the same index:
 *
 * ```
 *   63            32 31             0
 *   +---------------+---------------+
 *   |  argHigh[i]   |   argLow[i]   |
 *   +---------------+---------------+
 * ```
 *
 * {@link EventKind} lists the arguments of each kind. Slots after the last argument have undefined values.
 */
export class TraceEvent {
  /** Kind of the event. */
  kind: EventKind = EventKind.sys_enter_mmap;
  /** Thread that hit the tracepoint; -1 if perf did not know it. */
  tid = 0;
  /** Process of the thread; -1 if the trace has no pid column. */
  pid = -1;
  /** CPU; -1 if the trace has no CPU column. */
  cpu = 0;
  /**
   * Time in nanoseconds of the trace's clock (most often since boot), with the precision of the text. Exact below 2^53 ns (104 days). NaN
   * if the trace has no times.
   */
  time: number = Number.NaN;
  /** Line of the trace, from 1. */
  line = 0;
  /** Bits 63 to 32 of each argument. */
  readonly argHigh: Int32Array = new Int32Array(6);
  /** Bits 31 to 0 of each argument. */
  readonly argLow: Int32Array = new Int32Array(6);

  /** @internal The block of text with the names. */
  bytes: Uint8Array = new Uint8Array(0);
  /** @internal */
  commStart = 0;
  /** @internal */
  commEnd = 0;
  /** @internal */
  textStart = 0;
  /** @internal */
  textEnd = 0;
  /** @internal Whether a fault's address is not known: it was printed as a kernel symbol or not at all. */
  unknownAddress = false;
  /** @internal Period of a sample: the number of events that it represents; 1 without a period column. */
  period = 1;
  /** @internal Call number of a raw_syscalls event. */
  callNumber = -1;

  /** @returns the thread's comm. Each call decodes it; it is valid only while the handler runs. */
  comm(): string {
    return decoder.decode(this.bytes.subarray(this.commStart, this.commEnd));
  }

  /** @returns the text argument of the kinds that have one, else "". Valid only while the handler runs. */
  text(): string {
    return decoder.decode(this.bytes.subarray(this.textStart, this.textEnd));
  }
}

/**
 * @param event - the event
 * @param slot - which argument, 0 to 5
 * @returns the argument as an unsigned number; exact below 2^53
 */
export function argUnsigned(event: TraceEvent, slot: number): number {
  return (event.argHigh[slot]! >>> 0) * 0x1_0000_0000 + (event.argLow[slot]! >>> 0);
}

/**
 * @param event - the event
 * @param slot - which argument, 0 to 5
 * @returns the argument as a signed number; exact for magnitudes below 2^53
 */
export function argSigned(event: TraceEvent, slot: number): number {
  return event.argHigh[slot]! * 0x1_0000_0000 + (event.argLow[slot]! >>> 0);
}

/**
 * @param event - the event
 * @param slot - which argument, 0 to 5: an address
 * @returns the number of the 4 KiB page that contains the address: bits 63 to 12, exact
 */
export function argPage(event: TraceEvent, slot: number): number {
  return (event.argHigh[slot]! >>> 0) * 0x10_0000 + (event.argLow[slot]! >>> 12);
}

/**
 * @param event - a `sys_exit_*` event
 * @returns whether its return value is an error: -4095 to -1, as in IS_ERR_VALUE of include/linux/err.h
 */
export function isErrno(event: TraceEvent): boolean {
  const low = event.argLow[0]!;
  return event.argHigh[0] === -1 && low < 0 && low >= -4095;
}
