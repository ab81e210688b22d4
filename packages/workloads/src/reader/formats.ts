import { EventKind } from "./event.js";
import type { EventName } from "./event.js";

/** The forms in which arguments are printed. */
export const ArgumentForm = {
  /** `name: NUMBER, name: NUMBER`: the entry of a system call. */
  enter: 0,
  /** `NUMBER`: the exit of a system call. */
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
  /** The columns of a sample of perf: the address of the access and the instruction pointer. */
  sample: 7,
  /** Added to `enter` or `exit` for the trace file of ftrace: `name: NUMBER, name: NUMBER)` and ` -> NUMBER`. */
  called: 8,
  /** `NR NUMBER (HEX, HEX, HEX, HEX, HEX, HEX)`: the entry of any system call. */
  anyEnter: 10,
  /** `NR NUMBER = NUMBER`: the exit of any system call. */
  anyExit: 11,
} as const;

/** The format of an event's line. */
export interface EventFormat {
  /** The event's name with its subsystem, as perf prints it before the colon. */
  readonly name: string;
  /** Kind of the event. For raw_syscalls events the number in the line determines the kind. */
  readonly kind: EventKind;
  /** A value of {@link ArgumentForm}. */
  readonly form: number;
  /** Number of arguments in the entry of a system call. */
  readonly count: number;
  /** Number of arguments before the first one of the kind. */
  readonly skipped: number;
  /** Name of the first argument; empty if there is none. */
  readonly firstLabel: string;
  /** Description of valid arguments, for errors. */
  readonly expected: string;
}

/** The arguments of system call entries, from the `format` files of their tracepoints (Linux 6.18). */
const ENTER: Partial<Record<EventName, readonly string[]>> = {
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
  sys_enter_mlock: ["start", "len"],
  sys_enter_munlock: ["start", "len"],
  sys_enter_mlockall: ["flags"],
  sys_enter_munlockall: [],
  sys_enter_shmat: ["shmid", "shmaddr", "shmflg"],
  sys_enter_shmdt: ["shmaddr"],
  sys_enter_remap_file_pages: ["start", "size", "prot", "pgoff", "flags"],
  sys_enter_process_madvise: ["pidfd", "vec", "vlen", "behavior", "flags"],
  sys_enter_mlock2: ["start", "len", "flags"],
  sys_enter_exit_group: ["error_code"],
};

/** A system call with the effect of one in {@link ENTER}. */
interface Alias {
  /** Its name. */
  readonly call: string;
  /** Name of the call in {@link ENTER}. */
  readonly as: string;
  /** Its arguments on entry. */
  readonly labels: readonly string[];
  /** Number of arguments before the first one that both calls have. */
  readonly skipped: number;
}

/** System calls with the effect of another call. Their additional arguments have no effect on page tables. */
const ALIASES: readonly Alias[] = [
  { call: "pkey_mprotect", as: "mprotect", labels: ["start", "len", "prot", "pkey"], skipped: 0 },
  { call: "mmap_pgoff", as: "mmap", labels: ["addr", "len", "prot", "flags", "fd", "pgoff"], skipped: 0 },
  { call: "mmap2", as: "mmap", labels: ["addr", "len", "prot", "flags", "fd", "pgoff"], skipped: 0 },
  { call: "execveat", as: "execve", labels: ["fd", "filename", "argv", "envp", "flags"], skipped: 1 },
];

/** Names of perf's software events of page faults. Each fault counts as `page-faults` and as `minor-faults` or `major-faults`. */
const FAULT_SAMPLES: readonly string[] = ["page-faults", "faults", "minor-faults", "major-faults"];

/** The other events: name, form and a description of valid arguments. */
const OTHER: Partial<Record<EventName, readonly [string, number, string]>> = {
  page_fault_user: ["exceptions:page_fault_user", ArgumentForm.fault, "address=0xHEX ip=0xHEX error_code=0xHEX"],
  page_fault_kernel: ["exceptions:page_fault_kernel", ArgumentForm.fault, "address=0xHEX ip=SYMBOL error_code=0xHEX"],
  page_fault: [FAULT_SAMPLES[0]!, ArgumentForm.sample, "ADDRESS SYMBOL (OBJECT) IP SYMBOL (OBJECT)"],
  sched_process_fork: [
    "sched:sched_process_fork",
    ArgumentForm.processFork,
    "comm=NAME pid=PID child_comm=NAME child_pid=PID",
  ],
  sched_process_exec: ["sched:sched_process_exec", ArgumentForm.processExec, "filename=PATH pid=PID old_pid=PID"],
  sched_process_exit: [
    "sched:sched_process_exit",
    ArgumentForm.processExit,
    "comm=NAME pid=PID prio=NUMBER group_dead=true",
  ],
  sched_switch: [
    "sched:sched_switch",
    ArgumentForm.switch,
    "prev_comm=NAME prev_pid=PID prev_prio=NUMBER prev_state=S ==> next_comm=NAME next_pid=PID next_prio=NUMBER",
  ],
};

function enterFormat(call: string, kind: EventKind, labels: readonly string[], skipped = 0): EventFormat {
  const expected = labels.map((label) => `${label}: 0xHEX`).join(", ") || "no argument";
  const [firstLabel = ""] = labels;
  return {
    name: `syscalls:sys_enter_${call}`,
    kind,
    form: ArgumentForm.enter,
    count: labels.length,
    skipped,
    firstLabel,
    expected,
  };
}

function exitFormat(call: string, kind: EventKind): EventFormat {
  const name = `syscalls:sys_exit_${call}`;
  return { name, kind, form: ArgumentForm.exit, count: 1, skipped: 0, firstLabel: "", expected: "0xHEX" };
}

function format(event: EventName): EventFormat {
  const kind = EventKind[event];
  const other = OTHER[event];
  if (other !== undefined) {
    const [name, form, expected] = other;
    return { name, kind, form, count: 0, skipped: 0, firstLabel: "", expected };
  }
  const call = event.replace(/^sys_(enter|exit)_/, "");
  const labels = ENTER[event];
  return labels === undefined ? exitFormat(call, kind) : enterFormat(call, kind, labels);
}

function aliasFormats({ call, as, labels, skipped }: Alias): EventFormat[] {
  const kind = EventKind[`sys_enter_${as}` as EventName];
  return [enterFormat(call, kind, labels, skipped), exitFormat(call, (kind + 1) as EventKind)];
}

const SAMPLE_FORMATS: readonly EventFormat[] = FAULT_SAMPLES.slice(1).map((name) => ({
  ...format("page_fault"),
  name,
}));

/** The raw_syscalls tracepoints, with the number of the call. */
const ANY_CALL: readonly EventFormat[] = [
  {
    name: "raw_syscalls:sys_enter",
    kind: EventKind.sys_enter_mmap,
    form: ArgumentForm.anyEnter,
    count: 6,
    skipped: 0,
    firstLabel: "",
    expected: "NR NUMBER (HEX, HEX, HEX, HEX, HEX, HEX)",
  },
  {
    name: "raw_syscalls:sys_exit",
    kind: EventKind.sys_exit_mmap,
    form: ArgumentForm.anyExit,
    count: 1,
    skipped: 0,
    firstLabel: "",
    expected: "NR NUMBER = NUMBER",
  },
];

/** The names of {@link EventKind} by kind. */
export const KIND_NAMES: readonly EventName[] = Object.keys(EventKind) as EventName[];

const OWN_FORMATS = KIND_NAMES.map(format);
const ALIAS_FORMATS = ALIASES.flatMap(aliasFormats);

/** The format of each {@link EventKind} by kind, then the formats of the other events that are read as these kinds. */
export const FORMATS: readonly EventFormat[] = [...OWN_FORMATS, ...ALIAS_FORMATS, ...SAMPLE_FORMATS, ...ANY_CALL];

/** The name of each event as `perf script` prints it (`syscalls:sys_enter_mmap`), by its {@link EventKind}. */
export const eventNames: readonly string[] = OWN_FORMATS.map(({ name }) => name);

const TRACEPOINTS = [...OWN_FORMATS, ...ALIAS_FORMATS].map(({ name }) => name).filter((name) => name.includes(":"));

/** The tracepoints of a recording for `perf record -e`: those of {@link eventNames} and of the calls with the same effect. */
export const tracepointNames: readonly string[] = [
  ...TRACEPOINTS.filter((name) => name.startsWith("syscalls:")),
  ...TRACEPOINTS.filter((name) => !name.startsWith("syscalls:")),
];
