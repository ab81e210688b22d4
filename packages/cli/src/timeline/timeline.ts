import { Access, FaultKind, PkeyRegister, Privilege } from "@kpkeys/core/contracts";
import type { FaultReport, Observer, TableSource } from "@kpkeys/core/contracts";
import { wordsToHex } from "@kpkeys/core/machine";
import type { Machine } from "@kpkeys/kernel";
import { argUnsigned, EventKind, TraceEvent } from "@kpkeys/workloads";
import type { TrackEvents } from "./track-events.js";

/** Writes down what a machine does while it replays. */
export interface Timeline {
  /** What the machine is to be built with. */
  readonly observer: Observer;
  /**
   * To be called before each event that is replayed. Nothing is written before the first one.
   * @param machine - the machine that replays it, always the same
   * @param event - the event
   */
  before(machine: Machine, event: TraceEvent): void;
  /**
   * Does something in between that is not the workload's: nothing of it is written down.
   * @param something - what
   */
  apart(something: () => void): void;
  /** Ends what has begun, and writes the rest. */
  finish(): void;
}

/** A thread of the trace, or its program. */
interface TaskTrack {
  readonly track: number;
  readonly name: string;
}

/** Tracks of a machine have numbers of their own: its place in the list above, a running number below. */
const TRACKS_OF_A_MACHINE = 2 ** 32;

/**
 * Makes a timeline. Its time is the trace's own, in nanoseconds: a moment has the time of the event that is replayed, or is one
 * nanosecond later than the moment before it, whichever is later. So the order of moments is that in which they happened, and
 * the distance between those of one event is a count of moments, no time.
 *
 * ```text
 *  arm64-poe next batched          a process for each machine
 *   ├ CPU 0                        slices: the task that runs
 *   ├ POR_EL1 of CPU 0             counter: the key register
 *   ├ user table pages …           counters: table pages alive, by source
 *   └ cc1 4711 …                   a track for each task and program. Slices: lazy MMU sections, contexts. Instants: faults
 * ```
 *
 * @param name - of the machine
 * @param place - the machine's place among all whose timelines are in one trace, from 0 on
 * @param out - takes the events
 */
export function createTimeline(name: string, place: number, out: TrackEvents): Timeline {
  const base = (place + 1) * TRACKS_OF_A_MACHINE;
  let tracks = 0;
  let writing = false;

  const tablePages = new Map<TableSource, { count: number; track: number }>();
  const tasks = new Map<number, TaskTrack>();
  const cpuTracks: number[] = [];
  const registerTracks: number[] = [];
  /** The task whose slice is open on each CPU's track, by tid. */
  const running: (number | undefined)[] = [];
  /** Tracks of tasks with an open slice, in the order in which these began. */
  const open: number[] = [];

  let event = new TraceEvent();
  let eventTime = 0;
  let last = -1;
  /** A thread that ended with the event before. */
  let exited = -1;

  function now(): number {
    last = Math.max(last + 1, eventTime);
    return last;
  }

  function addTrack(parent: number, called: string, counter = false): number {
    const track = base + ++tracks;
    out.track(track, { parent, name: called, counter });
    return track;
  }

  /** The track of a thread; a new one for each program that it runs. */
  function taskOf(tid: number, comm: () => string): TaskTrack {
    const known = tasks.get(tid);
    if (known !== undefined) return known;
    const called = `${comm()} ${tid}`;
    const task = { track: addTrack(base, called), name: called };
    tasks.set(tid, task);
    return task;
  }

  /** The task that the event is about: whatever the kernel does meanwhile, it does for that one. */
  function current(): TaskTrack {
    return taskOf(event.tid, () => event.comm());
  }

  function stopRunning(cpu: number): void {
    if (running[cpu] !== undefined) out.end(cpuTracks[cpu]!, now());
    running[cpu] = undefined;
  }

  function run(cpu: number, tid: number, task: TaskTrack): void {
    out.begin(cpuTracks[cpu]!, now(), task.name);
    running[cpu] = tid;
  }

  /** The thread of the event runs another program from now on. */
  function changeProgram(): void {
    const { tid } = event;
    tasks.delete(tid);
    const cpu = running.indexOf(tid);
    if (cpu < 0) return;
    stopRunning(cpu);
    run(cpu, tid, current());
  }

  function beginSlice(called: string): void {
    const { track } = current();
    open.push(track);
    out.begin(track, now(), called);
  }

  function endSlice(): void {
    const track = open.pop();
    if (track !== undefined) out.end(track, now());
  }

  function writeTables(source: TableSource): void {
    const pages = tablePages.get(source)!;
    if (pages.track === 0) pages.track = addTrack(base, `${source} table pages`, true);
    out.counter(pages.track, now(), pages.count);
  }

  const observer: Observer = {
    context(_cpu, context) {
      if (!writing) return;
      if (context === undefined) endSlice();
      else beginSlice(context);
    },
    lazyMmu(_cpu, active) {
      if (!writing) return;
      if (active) beginSlice("lazy MMU");
      else endSlice();
    },
    fault(_cpu, report) {
      if (!writing) return;
      const address = wordsToHex(report.addressHigh, report.addressLow);
      out.instant(current().track, now(), faultName(report), "address", address);
    },
    registerWrite(cpu, high, low) {
      if (writing) out.counter(registerTracks[cpu]!, now(), registerValue(high, low));
    },
    tablePage(_pfn, source, alive) {
      const pages = tablePages.get(source) ?? { count: 0, track: 0 };
      pages.count += alive ? 1 : -1;
      tablePages.set(source, pages);
      if (writing) writeTables(source);
    },
    taskSwitch(cpu, _previous, next) {
      if (!writing) return;
      stopRunning(cpu);
      if (next < cpuTracks.length) return;
      const isSwitch = event.kind === EventKind.sched_switch;
      const tid = isSwitch ? argUnsigned(event, 2) : event.tid;
      run(
        cpu,
        tid,
        taskOf(tid, () => (isSwitch ? event.text() : event.comm())),
      );
    },
  };

  /** Declares what every machine has, and how it stands. */
  function start(machine: Machine): void {
    const register = machine.get(PkeyRegister);
    out.process(base, place + 1, name);
    for (const { id, pkeyRegisterHigh, pkeyRegisterLow } of machine.cpus.all) {
      cpuTracks[id] = addTrack(base, `CPU ${id}`);
      registerTracks[id] = addTrack(base, `${register.name} of CPU ${id}`, true);
      out.counter(registerTracks[id], now(), registerValue(pkeyRegisterHigh, pkeyRegisterLow));
    }
    for (const source of tablePages.keys()) writeTables(source);
  }

  function before(machine: Machine, next: TraceEvent): void {
    event = next;
    // Not for a trace without times, whose NaN is no greater than anything: there time is the count of moments.
    if (next.time > eventTime) eventTime = next.time;
    if (!writing) start(machine);
    writing = true;
    tasks.delete(exited);
    exited = next.kind === EventKind.sched_process_exit ? argUnsigned(next, 0) : -1;
    if (next.kind === EventKind.sched_process_exec) changeProgram();
  }

  return {
    observer,
    before,
    apart(something) {
      writing = false;
      something();
      writing = true;
    },
    finish() {
      writing = false;
      while (open.length > 0) endSlice();
      for (let cpu = 0; cpu < cpuTracks.length; cpu++) stopRunning(cpu);
      out.flush();
    },
  };
}

/** A register as a counter shows it. */
function registerValue(high: number, low: number): number {
  return (high >>> 0) * 2 ** 32 + (low >>> 0);
}

const ACCESS_NAMES: Readonly<Record<Access, string>> = {
  [Access.READ]: "read",
  [Access.WRITE]: "write",
  [Access.RMW]: "read-modify-write",
  [Access.FETCH]: "fetch",
};
const PRIVILEGE_NAMES: Readonly<Record<Privilege, string>> = {
  [Privilege.USER]: "user",
  [Privilege.KERNEL]: "kernel",
  [Privilege.UACCESS]: "uaccess",
};
const KIND_NAMES: Readonly<Record<FaultKind, string>> = {
  [FaultKind.NONE]: "none",
  [FaultKind.TRANSLATION]: "translation",
  [FaultKind.ADDRESS_SIZE]: "address size",
  [FaultKind.ACCESS_FLAG]: "access flag",
  [FaultKind.PERMISSION]: "permission",
  [FaultKind.PKEY]: "pkey",
  [FaultKind.RESERVED]: "reserved bit",
};

function faultName({ access, privilege, kind }: FaultReport): string {
  return `${PRIVILEGE_NAMES[privilege]} ${ACCESS_NAMES[access]} fault: ${KIND_NAMES[kind]}`;
}
