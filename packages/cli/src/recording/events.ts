import { existsSync } from "node:fs";
import { join } from "node:path";

/** Where the kernel shows its tracepoints. */
export const TRACEFS: readonly string[] = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];

/** perf's software event of page faults, which every kernel and architecture has. */
const SAMPLED_FAULTS = "page-faults";
/** All system calls by number, for kernels without a tracepoint of each (CONFIG_FTRACE_SYSCALLS). */
const RAW_CALLS: readonly string[] = ["raw_syscalls:sys_enter", "raw_syscalls:sys_exit"];

/** Calls that the tables of system calls of an architecture do not have (arch/x86/entry/syscalls, include/uapi/asm-generic/unistd.h). */
const ABSENT_CALLS: Readonly<Partial<Record<NodeJS.Architecture, RegExp>>> = {
  x64: /_(mmap2|mmap_pgoff)$/,
  arm64: /_(mmap2|mmap_pgoff|fork|vfork)$/,
};

/** Events that are not recorded. */
export interface LeftOut {
  /** Their names. */
  readonly events: readonly string[];
  /** Why, and what the recording lacks without them. */
  readonly why: string;
}

/** The events that a workload is recorded with. */
export interface ChosenEvents {
  /** Their names, as `perf record -e` takes them. */
  readonly events: readonly string[];
  /** Whether page faults are samples of perf's software event. */
  readonly sampled: boolean;
  /** What is not recorded of what was wanted. */
  readonly leftOut: readonly LeftOut[];
}

/**
 * The tracepoints that a kernel has.
 * @param folders - where they may be seen
 * @returns whether there is one of a name; undefined where no tracepoint can be seen
 */
export function tracepointsIn(folders: readonly string[]): ((event: string) => boolean) | undefined {
  const folder = folders.find((path) => existsSync(join(path, "sched")));
  return folder === undefined ? undefined : (event) => existsSync(join(folder, event.replace(":", "/")));
}

/**
 * Chooses what a workload is recorded with.
 * @param wanted - the tracepoints that a replay reads
 * @param arch - the architecture of this machine, as Node.js names it
 * @param has - whether its kernel has a tracepoint; where none can be seen, those that Linux has there are taken
 */
export function chooseEvents(
  wanted: readonly string[],
  arch: NodeJS.Architecture,
  has: (event: string) => boolean = (event) => arch === "x64" || !isFault(event),
): ChosenEvents {
  const absent = ABSENT_CALLS[arch];
  const calls = choice(
    wanted.filter((event) => isCall(event) && absent?.test(event) !== true),
    has,
  );
  const faults = choice(wanted.filter(isFault), has);
  const others = choice(
    wanted.filter((event) => !isCall(event) && !isFault(event)),
    has,
  );
  const sampled = faults.missing.length > 0;
  const raw = calls.present.length === 0 && RAW_CALLS.every(has);
  const leftOut = [
    { events: calls.missing, why: whyNoCalls(calls.present.length > 0, raw) },
    {
      events: faults.missing,
      why: `this kernel has none; ${SAMPLED_FAULTS} takes their place, which does not say whether an access was a read or a write`,
    },
    { events: others.missing, why: "this kernel has none; without them threads and processes cannot be told apart" },
  ];
  return {
    events: [...(raw ? RAW_CALLS : calls.present), ...(sampled ? [SAMPLED_FAULTS] : faults.present), ...others.present],
    sampled,
    leftOut: leftOut.filter(({ events }) => events.length > 0),
  };
}

function whyNoCalls(some: boolean, raw: boolean): string {
  if (some) return "this kernel has no such system calls";
  return raw
    ? "this kernel has no tracepoint of each system call; those of all calls take their place, and the recording is larger"
    : "this kernel has no tracepoints of system calls; without them mappings are only inferred from faults";
}

function isCall(event: string): boolean {
  return event.startsWith("syscalls:");
}

function isFault(event: string): boolean {
  return event.startsWith("exceptions:");
}

function choice(
  events: readonly string[],
  has: (event: string) => boolean,
): { readonly present: readonly string[]; readonly missing: readonly string[] } {
  return { present: events.filter(has), missing: events.filter((event) => !has(event)) };
}
