import { EventKind } from "./event.js";

/** How the arguments of an event are printed. */
export const ArgumentForm = {
  /** `name: NUMBER, name: NUMBER`: a system call is entered. */
  enter: 0,
  /** `NUMBER`: a system call returns. */
  exit: 1,
  /** `address=… ip=… error_code=…` */
  fault: 2,
  /** `comm=… pid=… child_comm=… child_pid=…` */
  processFork: 3,
  /** `filename=… pid=… old_pid=…` */
  processExec: 4,
  /** `comm=… pid=… prio=…`, and on newer kernels `group_dead=…` */
  processExit: 5,
  /** `prev_comm=… prev_pid=… prev_prio=… prev_state=… ==> next_comm=… next_pid=… next_prio=…` */
  switch: 6,
  /** To be added to the form of a system call: `name: NUMBER, name: NUMBER)` and ` -> NUMBER`, as the trace file of ftrace prints them. */
  called: 8,
} as const;

/** What is known of an event's line. */
export interface EventFormat {
  /** The event's name with its subsystem, as perf prints it before the colon. */
  readonly name: string;
  /** A value of {@link ArgumentForm}. */
  readonly form: number;
  /** How many arguments a system call prints on entry. */
  readonly count: number;
  /** The name of the first of them; empty when there is none. */
  readonly firstLabel: string;
  /** The arguments as they should look, for the message about those that do not. */
  readonly expected: string;
}

/** The arguments of the system calls on entry, as the `format` files of their tracepoints (Linux 6.18) name and order them. */
const ENTER: Partial<Record<keyof typeof EventKind, readonly string[]>> = {
  sys_enter_mmap: ["addr", "len", "prot", "flags", "fd", "off"],
  sys_enter_munmap: ["addr", "len"],
  sys_enter_mprotect: ["start", "len", "prot"],
  sys_enter_mremap: ["addr", "old_len", "new_len", "flags", "new_addr"],
  sys_enter_brk: ["brk"],
  sys_enter_madvise: ["start", "len_in", "behavior"],
  sys_enter_clone: ["clone_flags", "newsp", "parent_tidptr", "child_tidptr", "tls"],
  sys_enter_clone3: ["uargs", "size"],
  sys_enter_fork: [],
  sys_enter_vfork: [],
  sys_enter_execve: ["filename", "argv", "envp"],
  sys_enter_exit_group: ["error_code"],
};

/** All but the system calls: subsystem, form and how the arguments look. */
const OTHER: Partial<Record<keyof typeof EventKind, readonly [string, number, string]>> = {
  page_fault_user: ["exceptions", ArgumentForm.fault, "address=0xHEX ip=0xHEX error_code=0xHEX"],
  page_fault_kernel: ["exceptions", ArgumentForm.fault, "address=0xHEX ip=SYMBOL error_code=0xHEX"],
  sched_process_fork: ["sched", ArgumentForm.processFork, "comm=NAME pid=PID child_comm=NAME child_pid=PID"],
  sched_process_exec: ["sched", ArgumentForm.processExec, "filename=PATH pid=PID old_pid=PID"],
  sched_process_exit: ["sched", ArgumentForm.processExit, "comm=NAME pid=PID prio=NUMBER group_dead=true"],
  sched_switch: [
    "sched",
    ArgumentForm.switch,
    "prev_comm=NAME prev_pid=PID prev_prio=NUMBER prev_state=S ==> next_comm=NAME next_pid=PID next_prio=NUMBER",
  ],
};

function format(event: keyof typeof EventKind): EventFormat {
  const other = OTHER[event];
  if (other !== undefined)
    return { name: `${other[0]}:${event}`, form: other[1], count: 0, firstLabel: "", expected: other[2] };
  const name = `syscalls:${event}`;
  const labels = ENTER[event];
  if (labels === undefined) return { name, form: ArgumentForm.exit, count: 1, firstLabel: "", expected: "0xHEX" };
  const expected = labels.map((label) => `${label}: 0xHEX`).join(", ");
  const [firstLabel = ""] = labels;
  return { name, form: ArgumentForm.enter, count: labels.length, firstLabel, expected: expected || "no argument" };
}

/** The format of each event, by its {@link EventKind}. */
export const FORMATS: readonly EventFormat[] = (Object.keys(EventKind) as (keyof typeof EventKind)[]).map(format);

/** The name of each event as `perf script` prints it (`syscalls:sys_enter_mmap`), by its {@link EventKind}. */
export const eventNames: readonly string[] = FORMATS.map(({ name }) => name);
