import { KpkeysError } from "@kpkeys/core";
import { AddressSpaces, Privilege, Tasks } from "@kpkeys/core/contracts";
import type { Machine, MachineCounters } from "@kpkeys/kernel";
import { argUnsigned, EventKind } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";
import { readTraceAhead } from "../reader/read-ahead.js";
import { readTrace } from "../reader/read-trace.js";
import type { TraceForm } from "../reader/text-form.js";
import { compareWithLinux, unknownOf, unknownStackOf } from "./agreement.js";
import type { Agreement, ExitRecord } from "./agreement.js";
import { createChecker } from "./check.js";
import type { CheckMode, CheckResult } from "./check.js";
import { countersSince } from "./counters.js";
import { createExtent } from "./extent.js";
import type { Until } from "./extent.js";
import { createSample } from "./sample.js";
import type { SampleCounts, SampleOptions } from "./sample.js";
import { replaySyscall } from "./syscalls.js";
import { createThreads } from "./threads.js";
import type { Thread } from "./threads.js";
import { createUserFaults } from "./user-faults.js";
import type { FaultCounts } from "./user-faults.js";

// What is imported is loaded each time; what stands here is folded.
const {
  sys_enter_execve,
  sched_switch,
  sched_process_exit,
  page_fault_user,
  page_fault_kernel,
  sched_process_fork,
  sched_process_exec,
  sys_enter_exit_group,
} = EventKind;

/** How a trace is replayed. */
export interface ReplayOptions {
  /** A VmPTE file to hold the result against, after the replay. */
  readonly vmpte?: string;
  /** How often the page tables are looked at meanwhile; `off` if left out. */
  readonly check?: CheckMode;
  /**
   * Whether the trace is read in a thread of its own, for a computer with a processor to spare; not so if left out, or if only a part of
   * the trace is replayed.
   */
  readonly ahead?: boolean;
  /** How much of the trace is replayed; all of it if left out. */
  readonly until?: Until;
  /** Which share of its programs is replayed; all if left out. */
  readonly sample?: SampleOptions;
  /** Asked behind each event whether the replay should come to its end there. */
  readonly stop?: () => boolean;
  /**
   * Called before each event that is replayed, for tools that observe the machine meanwhile.
   * @param event - the event; one record for all
   */
  readonly before?: (event: TraceEvent) => void;
  /**
   * Called now and then.
   * @param share - how much of what is to be replayed is done, 0 to 1; 0 for a file without a size
   * @param events - events read so far
   */
  readonly onProgress?: (share: number, events: number) => void;
  /**
   * Called before a process exits while there are a quarter more table pages from the buddy allocator than when it was called
   * last: the moments at which there is most to see, for at the end of a recording all processes are gone. What it does is in no count
   * and no time of the result.
   */
  readonly onFuller?: () => void;
}

/** What a replay was. */
export interface ReplayResult extends Readonly<FaultCounts> {
  /** The trace. */
  readonly trace: {
    /** Its file's name without the usual endings. */
    readonly name: string;
    /** Events in it, or in the part of it that was read. */
    readonly events: number;
    /** Which tool's text it is. */
    readonly form: TraceForm;
    /** What a text of this kind cannot show, in sentences. */
    readonly limits: readonly string[];
    /** Lines that were not used, by what they are. */
    readonly unused: Readonly<Record<string, number>>;
    /** Processes met, or of these those in the sample. */
    readonly processes: number;
    /** Events that perf says it lost while it recorded. */
    readonly lost: number;
    /** System calls that Linux carried out and the model refused: of no length, outside the user's half, of mappings that are not there. */
    readonly refused: number;
    /** Where the replay was to end; `null` for the end of the trace. */
    readonly until: Until | null;
    /** What was replayed of it; `null` for everything. */
    readonly sample: SampleCounts | null;
  };
  /** Whether {@link ReplayOptions.stop} ended it. */
  readonly stopped: boolean;
  /** What the machine did for it. */
  readonly counters: MachineCounters;
  /** Wall time, reading included. */
  readonly seconds: number;
  /** Agreement with Linux; `null` without a VmPTE file. */
  readonly linux: Agreement | null;
  /** What was seen of the page tables meanwhile; `null` with `check` off. */
  readonly check: CheckResult | null;
}

/**
 * Replays a recorded workload: each event becomes the operation of the model kernel that it tells of.
 *
 * @param machine - a booted machine; the processes of the trace that do not end stay in it
 * @param path - the recording, as {@link readTrace} takes it
 * @param options - how
 * @returns what it was
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED, ERR_TRACE_EMPTY, ERR_TRACE_LINE,
 *   ERR_VMPTE_LINE; ERR_OUT_OF_MEMORY with the trace's line; ERR_KERNEL_FAULT when the kernel itself faults
 */
export async function replayTrace(machine: Machine, path: string, options: ReplayOptions = {}): Promise<ReplayResult> {
  const { check = "off", vmpte, until, stop, before: onEvent } = options;
  const tasks = machine.get(Tasks);
  const spaces = machine.get(AddressSpaces);
  const { cpus } = machine;
  let lost = 0;
  let refused = 0;
  const threads = createThreads(tasks, spaces, () => lost, keepRecord);
  const faults = createUserFaults(spaces);
  const here = cpus.current;
  const idle = cpus.all.map((cpu) => {
    if (cpu !== here) cpus.current = cpu;
    return tasks.current;
  });
  if (cpus.current !== here) cpus.current = here;
  const exits = new Map<number, ExitRecord[]>();
  const before = machine.counters();
  /** What {@link ReplayOptions.onFuller} did, which is not the workload's. */
  const apart: MachineCounters[] = [];
  let secondsApart = 0;
  let fullest = 0;
  let line = 0;

  function enter(thread: Thread, event: TraceEvent): void {
    thread.syscall = event.kind;
    thread.argHigh.set(event.argHigh);
    thread.argLow.set(event.argLow);
    if (event.kind === sys_enter_execve) thread.execSwitched = false;
  }

  /** execve by another than the first thread ends that one and takes its number (de_thread). */
  function exec(thread: Thread, event: TraceEvent): void {
    const former = threads.find(argUnsigned(event, 1));
    if (former !== undefined && former !== thread) threads.exit(former);
    if (!thread.execSwitched) threads.exec(thread);
    thread.execSwitched = false;
  }

  /**
   * execve fills the new address space before the event that tells of it: the kernel clears the bss and writes the arguments
   * there, while what it reads (file name, arguments) is still in the old one.
   */
  function kernelFault(thread: Thread, event: TraceEvent): void {
    const write = (event.argLow[2]! & 2) !== 0;
    if (write && thread.syscall === sys_enter_execve && !thread.execSwitched) {
      threads.exec(thread);
      thread.execSwitched = true;
    }
    faults.replay(thread.task.mm!, thread.program, event, Privilege.UACCESS);
  }

  function tellIfFuller(onFuller: () => void): void {
    const counters = machine.counters();
    const live = counters.tablesAllocated - counters.tablesFreed;
    if (live < fullest * 1.25) return;
    fullest = live;
    const start = performance.now();
    onFuller();
    secondsApart += (performance.now() - start) / 1000;
    apart.push(countersSince(counters, machine.counters()));
  }

  function noteExit(thread: Thread): void {
    if (options.onFuller !== undefined) tellIfFuller(options.onFuller);
    if (vmpte !== undefined) thread.exitRecord = exitRecordOf(thread);
  }

  /**
   * Keeps what the model had of a process that called exit_group. What clone3 made without a word of its flags is taken for a thread;
   * if its group is dead while the first thread of the process lives, it was a process of its own.
   */
  function keepRecord({ tid, pid, exitRecord }: Thread, groupDead = false): void {
    if (exitRecord === undefined) return;
    const number = groupDead && tid !== pid && threads.find(pid) !== undefined ? tid : pid;
    const records = exits.get(number);
    if (records === undefined) exits.set(number, [exitRecord]);
    else records.push(exitRecord);
  }

  function endThread(tid: number, groupDead: boolean): void {
    const thread = threads.find(tid);
    if (thread === undefined) return;
    keepRecord(thread, groupDead);
    thread.exitRecord = undefined;
    threads.exit(thread);
  }

  function exitRecordOf({ task, program }: Thread): ExitRecord {
    return {
      tablePages: task.mm!.tablePages,
      why: unknownOf(program, lost),
      whyFewer: unknownStackOf(program),
    };
  }

  function handle(event: TraceEvent): void {
    line = event.line;
    if (cpus.all.length > 1) cpus.current = cpus.all[Math.max(0, event.cpu) % cpus.all.length]!;
    if (event.kind === sched_switch) {
      tasks.switchTo(threads.find(argUnsigned(event, 2))?.task ?? idle[cpus.current.id]!);
      return;
    }
    if (event.kind === sched_process_exit) {
      endThread(argUnsigned(event, 0), event.argLow[1] === 1);
      return;
    }
    const thread = threads.of(event);
    tasks.switchTo(thread.task);
    switch (event.kind) {
      case page_fault_user:
        faults.replay(thread.task.mm!, thread.program, event, Privilege.USER);
        return;
      case page_fault_kernel:
        kernelFault(thread, event);
        return;
      case sched_process_fork:
        threads.fork(thread, argUnsigned(event, 1));
        return;
      case sched_process_exec:
        exec(thread, event);
        return;
      case sys_enter_exit_group:
        noteExit(thread);
        return;
    }
    if (isEnter(event.kind)) enter(thread, event);
    else {
      if (!replaySyscall(spaces, thread, event)) {
        refused++;
        thread.program.refused++;
      }
      thread.syscall = -1;
    }
  }

  const extent = createExtent(path, until, stop);

  function onProgress(consumed: number, size: number): void {
    options.onProgress?.(Math.max(extent.share(), size === 0 ? 0 : consumed / size), extent.events);
  }

  const checker = check === "off" ? undefined : createChecker(machine, check);
  const start = performance.now();
  const watched =
    checker === undefined && onEvent === undefined
      ? handle
      : (event: TraceEvent): void => {
          onEvent?.(event);
          handle(event);
          checker?.after(event);
        };
  const onLost = (events: number): void => {
    lost += events;
  };
  const sample = options.sample && createSample(options.sample, watched);
  const take = (event: TraceEvent): void => {
    if (!extent.takes(event)) return;
    if (sample === undefined) watched(event);
    else sample.push(event);
  };
  const mayEnd = until !== undefined || stop !== undefined;
  const reading = { onProgress, onLost, ...(mayEnd && { enough: () => extent.enough() }) };
  const read = options.ahead === true && until === undefined ? readTraceAhead : readTrace;
  const summary = await read(path, take, reading).catch((error: unknown) => {
    throw error instanceof KpkeysError && error.code === "ERR_OUT_OF_MEMORY"
      ? outOfMemoryAt(`${path}:${line}`, error)
      : error;
  });
  const checked = checker?.finish() ?? null;
  const seconds = (performance.now() - start) / 1000 - secondsApart;
  const { name, form, limits, unused } = summary;
  const { events, stopped } = extent;
  // The recording may end between a process's exit_group and its exit.
  for (const thread of threads.alive()) keepRecord(thread);
  const whole = !stopped && until === undefined && sample === undefined;
  return {
    trace: {
      name,
      events,
      form,
      limits,
      unused,
      processes: threads.processes,
      lost,
      refused,
      until: until ?? null,
      sample: sample?.counts ?? null,
    },
    stopped,
    ...faults.counts,
    counters: [before, ...apart].reduceRight((rest, each) => countersSince(each, rest), machine.counters()),
    seconds,
    linux: vmpte === undefined ? null : compareWithLinux(vmpte, exits, whole, limits),
    check: checked,
  };
}

/** Whether a system call's kind is that of its entry: entries are even, each exit follows its entry. */
function isEnter(kind: EventKind): boolean {
  return kind <= sys_enter_exit_group && kind % 2 === 0;
}

function outOfMemoryAt(where: string, cause: KpkeysError): KpkeysError {
  return new KpkeysError("ERR_OUT_OF_MEMORY", cause.message.replace(/; expected.*/, ""), {
    where,
    expected: "a machine with more memory",
    cause,
  });
}
