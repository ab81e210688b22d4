import { existsSync } from "node:fs";
import { join } from "node:path";

/** Folders in which the kernel lists its tracepoints. */
export const TRACEFS: readonly string[] = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];

/** perf's software event of page faults, which every kernel and architecture has. */
const SAMPLED_FAULTS = "page-faults";
/** All system calls by number, for kernels without a tracepoint for each call (CONFIG_FTRACE_SYSCALLS is off). */
const RAW_CALLS: readonly string[] = ["raw_syscalls:sys_enter", "raw_syscalls:sys_exit"];

/** System calls that an architecture does not have (arch/x86/entry/syscalls, include/uapi/asm-generic/unistd.h). */
const ABSENT_CALLS: Readonly<Partial<Record<NodeJS.Architecture, RegExp>>> = {
  x64: /_(mmap2|mmap_pgoff)$/,
  arm64: /_(mmap2|mmap_pgoff|fork|vfork)$/,
};

/** Events that are not recorded. */
export interface LeftOut {
  /** Their names. */
  readonly events: readonly string[];
  /** The reason, and what the recording lacks without them. */
  readonly why: string;
}

/** The events of a recording. */
export interface ChosenEvents {
  /** Their names, in the form of `perf record -e`. */
  readonly events: readonly string[];
  /** Whether page faults are recorded as samples of perf's software event. */
  readonly sampled: boolean;
  /** The requested events that are not recorded. */
  readonly leftOut: readonly LeftOut[];
}

/**
 * Finds the tracepoints of the running kernel.
 * @param folders - folders that may list them
 * @returns a function that returns whether the kernel has a tracepoint; undefined if no folder can be read
 */
export function tracepointsIn(folders: readonly string[]): ((event: string) => boolean) | undefined {
  const folder = folders.find((path) => existsSync(join(path, "sched")));
  return folder === undefined ? undefined : (event) => existsSync(join(folder, event.replace(":", "/")));
}

/**
 * Chooses the events of a recording.
 * @param wanted - the tracepoints that a replay reads
 * @param arch - the architecture of this machine, as Node.js names it
 * @param has - whether its kernel has a tracepoint; if left out, the tracepoints of Linux on that architecture are assumed
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
      why: `this kernel has none; ${SAMPLED_FAULTS} is recorded instead, which does not distinguish reads from writes`,
    },
    {
      events: others.missing,
      why: "this kernel has none; without them the replay cannot distinguish threads from processes",
    },
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
    ? "this kernel has no tracepoint for each system call; the tracepoints of all calls are recorded instead, which makes the recording larger"
    : "this kernel has no tracepoints of system calls; without them mappings are inferred from faults alone";
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
