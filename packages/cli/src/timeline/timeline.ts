import { resolve } from "@kpkeys/core";
import { Access, FaultKind, Observers, PkeyRegister, Privilege } from "@kpkeys/core/contracts";
import type { FaultReport, Observer, Plugin, TableSource } from "@kpkeys/core/contracts";
import { wordsToHex } from "@kpkeys/core/machine";
import type { Machine } from "@kpkeys/kernel";
import { argUnsigned, EventKind, TraceEvent } from "@kpkeys/workloads";
import type { TrackEvents } from "./track-events.js";

/** A thread of the recording, or one of its programs. */
interface TaskTrack {
  readonly track: number;
  readonly name: string;
}

/** Track numbers of a machine: its index in the upper word, a running number in the lower word. */
const TRACKS_OF_A_MACHINE = 2 ** 32;

/**
 * The timeline of a machine during a replay. Times are those of the recording, in nanoseconds. A moment has the time of the replayed event;
 * further moments of the same event are one nanosecond apart. Their distance is a count of moments, not a duration.
 *
 * ```text
 *  arm64-poe next batched          a process for each machine
 *   ├ CPU 0                        slices: the task that runs
 *   ├ POR_EL1 of CPU 0             counter: the key register
 *   ├ user table pages …           counters: table pages alive, by source
 *   └ cc1 4711 …                   a track for each task and program. Slices: lazy MMU sections, contexts. Instants: faults
 * ```
 */
export class Timeline {
  /** Attaches the timeline. It is a feature of the machine, because table pages are counted from boot on. */
  readonly plugin: Plugin = {
    id: "timeline",
    kind: "feature",
    description: "writes a timeline of the machine",
    contract: 2,
    setup: (container) => {
      resolve(container, Observers).attach(this.observer);
    },
  };
  private readonly observer: Observer = {
    context: (_cpu, context) => {
      if (!this.writing) return;
      if (context === undefined) this.endSlice();
      else this.beginSlice(context);
    },
    lazyMmu: (_cpu, active) => {
      if (!this.writing) return;
      if (active) this.beginSlice("lazy MMU");
      else this.endSlice();
    },
    fault: (_cpu, report) => {
      if (!this.writing) return;
      const address = wordsToHex(report.addressHigh, report.addressLow);
      this.out.instant(this.current().track, this.now(), faultName(report), "address", address);
    },
    registerWrite: (cpu, high, low, ofFetches) => {
      // The track shows the key register, not that for fetches.
      if (this.writing && !ofFetches) this.out.counter(this.registerTracks[cpu]!, this.now(), registerValue(high, low));
    },
    tablePage: (_pfn, source, alive) => {
      const pages = this.tablePages.get(source) ?? { count: 0, track: 0 };
      pages.count += alive ? 1 : -1;
      this.tablePages.set(source, pages);
      if (this.writing) this.writeTables(source);
    },
    taskSwitch: (cpu, _previous, next) => {
      if (!this.writing) return;
      this.stopRunning(cpu);
      if (next < this.cpuTracks.length) return;
      const isSwitch = this.event.kind === EventKind.sched_switch;
      const tid = isSwitch ? argUnsigned(this.event, 2) : this.event.tid;
      this.run(
        cpu,
        tid,
        this.taskOf(tid, () => (isSwitch ? this.event.text() : this.event.comm())),
      );
    },
  };
  private readonly base: number;
  private tracks = 0;
  private writing = false;
  private readonly tablePages = new Map<TableSource, { count: number; track: number }>();
  private readonly tasks = new Map<number, TaskTrack>();
  private readonly cpuTracks: number[] = [];
  private readonly registerTracks: number[] = [];
  /** The task whose slice is open on each CPU's track, by tid. */
  private readonly running: (number | undefined)[] = [];
  /** Tracks of tasks with an open slice, in the order in which these began. */
  private readonly open: number[] = [];
  private event = new TraceEvent();
  private eventTime = 0;
  private last = -1;
  /** The thread that ended with the previous event; -1 if none did. */
  private exited = -1;

  /**
   * @param name - the name of the machine
   * @param place - the index of the machine in the trace, from 0 on
   * @param out - receives the events
   * @param close - called after the last event is written
   */
  constructor(
    private readonly name: string,
    private readonly place: number,
    private readonly out: TrackEvents,
    private readonly close: () => void,
  ) {
    this.base = (place + 1) * TRACKS_OF_A_MACHINE;
  }

  /**
   * Must be called before each replayed event. Nothing is written before the first one.
   * @param machine - the machine, always the same
   * @param event - the event
   */
  before(machine: Machine, event: TraceEvent): void {
    this.event = event;
    // The time is NaN in a recording without times: then the comparison is false, and time is a count of moments.
    if (event.time > this.eventTime) this.eventTime = event.time;
    if (!this.writing) this.start(machine);
    this.writing = true;
    this.tasks.delete(this.exited);
    this.exited = event.kind === EventKind.sched_process_exit ? argUnsigned(event, 0) : -1;
    if (event.kind === EventKind.sched_process_exec) this.changeProgram();
  }

  /**
   * Runs an action that is not part of the workload, without writing its events.
   * @param action - the action
   */
  pause(action: () => void): void {
    this.writing = false;
    action();
    this.writing = true;
  }

  /** Ends the open slices and writes the buffered events. */
  finish(): void {
    this.writing = false;
    while (this.open.length > 0) this.endSlice();
    for (let cpu = 0; cpu < this.cpuTracks.length; cpu++) this.stopRunning(cpu);
    this.out.flush();
    this.close();
  }

  /** Declares the tracks of the CPUs, and writes the current values of the counters. */
  private start(machine: Machine): void {
    const register = machine.get(PkeyRegister);
    this.out.process(this.base, this.place + 1, this.name);
    for (const { id, pkeyRegisterHigh, pkeyRegisterLow } of machine.cpus.all) {
      this.cpuTracks[id] = this.addTrack(this.base, `CPU ${id}`);
      this.registerTracks[id] = this.addTrack(this.base, `${register.name} of CPU ${id}`, true);
      this.out.counter(this.registerTracks[id], this.now(), registerValue(pkeyRegisterHigh, pkeyRegisterLow));
    }
    for (const source of this.tablePages.keys()) this.writeTables(source);
  }

  private now(): number {
    this.last = Math.max(this.last + 1, this.eventTime);
    return this.last;
  }

  private addTrack(parent: number, name: string, counter = false): number {
    const track = this.base + ++this.tracks;
    this.out.track(track, { parent, name, counter });
    return track;
  }

  /** The track of a thread; a new one for each program that it runs. */
  private taskOf(tid: number, comm: () => string): TaskTrack {
    const known = this.tasks.get(tid);
    if (known !== undefined) return known;
    const name = `${comm()} ${tid}`;
    const task = { track: this.addTrack(this.base, name), name };
    this.tasks.set(tid, task);
    return task;
  }

  /** The task of the event. The kernel does all work of the event on behalf of this task. */
  private current(): TaskTrack {
    return this.taskOf(this.event.tid, () => this.event.comm());
  }

  private stopRunning(cpu: number): void {
    if (this.running[cpu] !== undefined) this.out.end(this.cpuTracks[cpu]!, this.now());
    this.running[cpu] = undefined;
  }

  private run(cpu: number, tid: number, task: TaskTrack): void {
    this.out.begin(this.cpuTracks[cpu]!, this.now(), task.name);
    this.running[cpu] = tid;
  }

  /** Starts a new track for the thread of the event, which runs another program. */
  private changeProgram(): void {
    const { tid } = this.event;
    this.tasks.delete(tid);
    const cpu = this.running.indexOf(tid);
    if (cpu < 0) return;
    this.stopRunning(cpu);
    this.run(cpu, tid, this.current());
  }

  private beginSlice(name: string): void {
    const { track } = this.current();
    this.open.push(track);
    this.out.begin(track, this.now(), name);
  }

  private endSlice(): void {
    const track = this.open.pop();
    if (track !== undefined) this.out.end(track, this.now());
  }

  private writeTables(source: TableSource): void {
    const pages = this.tablePages.get(source)!;
    if (pages.track === 0) pages.track = this.addTrack(this.base, `${source} table pages`, true);
    this.out.counter(pages.track, this.now(), pages.count);
  }
}

/** The value of a register as a number. */
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
