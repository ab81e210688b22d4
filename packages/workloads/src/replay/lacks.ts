import type { EventName } from "../reader/event.js";
import { FAULT_WITHOUT_ADDRESS } from "../reader/ledger.js";
import type { TraceForm } from "../reader/text-form.js";
import type { TraceSummary } from "../reader/trace-reader.js";

/** Information that results need and a recording may lack. */
export type LackKind =
  /** Page faults, which fill tables. */
  | "page-faults"
  /** The addresses of page faults. */
  | "page-fault-addresses"
  /** System calls that map, with their arguments and results. */
  | "mappings"
  /** Forks and clones: the parent of each thread. */
  | "forks"
  /** Exits of threads. */
  | "exits"
  /** Programs started by execve. */
  | "exec"
  /** Context switches. */
  | "switches";

/** Information that a recording lacks although the workload must have produced it. */
export interface Lack {
  /** The information. */
  readonly kind: LackKind;
  /** The evidence in the recording, as a clause. */
  readonly reason: string;
  /** The remedy, in the imperative. */
  readonly remedy: string;
}

/** The counts that show whether a recording is complete. */
export interface Evidence {
  /** The counts of the reader. */
  readonly summary: Pick<TraceSummary, "kinds" | "form" | "unused">;
  /** Number of threads in the recording. */
  readonly threads: number;
  /** Threads without a fork event whose first event does not name their process. */
  readonly unforked: number;
  /** Successful calls of execve. */
  readonly execs: number;
  /** Whether the whole recording was replayed. If not, missing exits are no evidence. */
  readonly whole: boolean;
}

/** A rule that detects a lack. */
interface Rule extends Lack {
  /** Whether the evidence shows the lack. */
  readonly shows: (evidence: Evidence) => boolean;
  /** Reason and remedy for one form of text, if they differ. */
  readonly forms?: Partial<Record<TraceForm, Pick<Lack, "reason" | "remedy">>>;
}

/** Calls that create or change mappings. */
const MAPPING_CALLS = ["mmap", "munmap", "mprotect", "mremap", "brk", "madvise", "shmat"] as const;
/** Calls that create threads or processes. */
const FORKING_CALLS = ["clone", "clone3", "fork", "vfork"] as const;

/** Entries without exit, or exits without entry, that the start and the end of a recording may leave. */
const LOOSE_HALVES = 2;

const PERF = "record with `kpkeys record`, or with perf and the tracepoints";
const STRACE_SHOWS =
  "strace shows no page faults: tables are made only where a call fills a mapping at once (MAP_POPULATE, MAP_LOCKED)";

const RULES: readonly Rule[] = [
  {
    kind: "page-faults",
    shows: (evidence) => faultsOf(evidence) === 0 && samplesWithoutAddress(evidence) === 0,
    reason:
      "the recording has no page fault; arm64 kernels have no exceptions:page_fault_user, nor have riscv kernels before 6.18",
    remedy: "record with `-e page-faults -c 1 -d` where those tracepoints do not exist, as `kpkeys record` does",
    forms: { strace: { reason: STRACE_SHOWS, remedy: "record with perf or ftrace: `kpkeys record`" } },
  },
  {
    kind: "page-fault-addresses",
    shows: (evidence) =>
      samplesWithoutAddress(evidence) > 0 && count(evidence, "page_fault_user", "page_fault_kernel") === 0,
    reason: "the samples of page faults have no address, only the instruction pointer",
    remedy: "record with `perf record -d` and print with `perf script -F +addr`",
  },
  {
    kind: "mappings",
    shows: (evidence) =>
      MAPPING_CALLS.every((call) => !isWhole(evidence, call)) || MAPPING_CALLS.some((call) => isHalf(evidence, call)),
    reason: "system calls that map are not in the recording, or their entries or exits are not",
    remedy: `${PERF} syscalls:sys_enter_mmap, syscalls:sys_exit_mmap and those of munmap, mprotect, mremap, brk and madvise, or raw_syscalls`,
  },
  {
    kind: "forks",
    shows: (evidence) =>
      count(evidence, "sched_process_fork") === 0 &&
      (FORKING_CALLS.some((call) => isWhole(evidence, call)) || evidence.unforked > 1),
    reason: "threads and processes have no fork in the recording: whose memory they share or copy is not in it",
    remedy: `${PERF} sched:sched_process_fork`,
  },
  {
    kind: "exits",
    shows: (evidence) =>
      evidence.whole &&
      count(evidence, "sched_process_exit") === 0 &&
      count(evidence, "sched_process_fork", "sys_enter_exit_group") > 0,
    reason: "processes have no exit in the recording, so their tables are not freed",
    remedy: `${PERF} sched:sched_process_exit`,
  },
  {
    kind: "exec",
    shows: (evidence) => evidence.execs > 0 && count(evidence, "sched_process_exec") === 0,
    reason: "calls of execve succeed, but the recording has no event of the programs that they start",
    remedy: `${PERF} sched:sched_process_exec`,
  },
  {
    kind: "switches",
    shows: (evidence) => evidence.threads > 1 && count(evidence, "sched_switch") === 0,
    reason:
      "there are several threads and no context switches in the recording: a thread is taken to run from its first event on",
    remedy: `${PERF} sched:sched_switch`,
    forms: {
      strace: {
        reason: "strace shows no context switches and no CPUs",
        remedy: "record with perf or ftrace: `kpkeys record`",
      },
    },
  },
];

/**
 * Detects the information that a recording lacks. An absent kind of event is a lack only if other events show that it must have occurred:
 * every program faults and maps memory, but not every program forks.
 * @param evidence - the counts of the recording and its replay
 * @returns the lacks, the most important first
 */
export function lacksOf(evidence: Evidence): readonly Lack[] {
  const { form } = evidence.summary;
  return RULES.filter(({ shows }) => shows(evidence)).map(({ kind, reason, remedy, forms }) => ({
    kind,
    reason,
    remedy,
    ...forms?.[form],
  }));
}

function count({ summary: { kinds } }: Evidence, ...names: readonly EventName[]): number {
  return names.reduce((sum, name) => sum + (kinds[name] ?? 0), 0);
}

function faultsOf(evidence: Evidence): number {
  return count(evidence, "page_fault_user", "page_fault_kernel", "page_fault");
}

function samplesWithoutAddress({ summary }: Evidence): number {
  return summary.unused[FAULT_WITHOUT_ADDRESS] ?? 0;
}

type Call = (typeof MAPPING_CALLS | typeof FORKING_CALLS)[number];

function halvesOf(evidence: Evidence, call: Call): readonly [entries: number, exits: number] {
  return [count(evidence, `sys_enter_${call}`), count(evidence, `sys_exit_${call}`)];
}

/** Whether entries and exits of a call are in the recording. */
function isWhole(evidence: Evidence, call: Call): boolean {
  return halvesOf(evidence, call).every((half) => half > 0);
}

/** Whether only entries or only exits of a call are in the recording, more of them than its start and its end may leave. */
function isHalf(evidence: Evidence, call: Call): boolean {
  const [entries, exits] = halvesOf(evidence, call);
  return Math.min(entries, exits) === 0 && Math.max(entries, exits) > LOOSE_HALVES;
}
