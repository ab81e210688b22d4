import { argUnsigned, EventKind, isErrno } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";

/** Which share of a trace's programs is replayed. */
export interface SampleOptions {
  /** One program of how many, 1 or more. */
  readonly every: number;
  /** What the choice follows from. */
  readonly seed: number;
}

/** What a sample took of a trace. */
export interface SampleCounts extends SampleOptions {
  /** Programs that the trace began, or that ran when it began. */
  readonly met: number;
  /** Programs replayed. */
  readonly taken: number;
  /** Events replayed. */
  readonly events: number;
}

/** Passes on the events of the programs in the sample. */
export interface Sample {
  /** What it took so far. */
  readonly counts: SampleCounts;
  /**
   * Takes the next event of the trace, whose kind it may change.
   * @param event - the event
   */
  push(event: TraceEvent): void;
}

/** An execve that a thread is in. */
interface Exec {
  /** Whether the program that it starts is in the sample. */
  readonly taken: boolean;
  /** Whether the replay has been told of it, though the thread was not in the sample until now. */
  begun: boolean;
}

const ERROR_WRITE = 2;

/**
 * Makes a sample of programs. A program is an address space from the execve that begins it to its end, with every process and
 * thread forked from it until they execve in turn: nothing in it depends on what was before, so each program in the sample is
 * replayed whole, and each is in it with the same chance, whatever the others are. What runs when a trace begins is a
 * program without its start.
 *
 * @param options - how many programs it takes
 * @param sink - takes the events of these
 */
export function createSample({ every, seed }: SampleOptions, sink: (event: TraceEvent) => void): Sample {
  const counts = { every, seed, met: 0, taken: 0, events: 0 };
  /** Whether a thread is in the sample, by tid, for all threads alive. */
  const threads = new Map<number, boolean>();
  /** By tid. */
  const execs = new Map<number, Exec>();
  let draws = 0;

  function draw(): boolean {
    return mix(seed, draws++) % every === 0;
  }

  function meet(tid: number, taken: boolean): boolean {
    counts.met++;
    if (taken) counts.taken++;
    threads.set(tid, taken);
    return taken;
  }

  function pass(event: TraceEvent): void {
    counts.events++;
    sink(event);
  }

  /** Passes an event on as one of another kind, with the same arguments. */
  function passAs(kind: EventKind, event: TraceEvent): void {
    const { kind: own } = event;
    event.kind = kind;
    sink(event);
    event.kind = own;
  }

  /** A thread comes in by the execve that it is in. */
  function begin(exec: Exec, event: TraceEvent): void {
    if (exec.begun) return;
    exec.begun = true;
    passAs(EventKind.sys_enter_execve, event);
  }

  /** A thread leaves the sample: the replay lets go of its address space as at the thread's end. */
  function leave(tid: number, event: TraceEvent): void {
    event.argHigh[0] = 0;
    event.argLow[0] = tid;
    passAs(EventKind.sched_process_exit, event);
  }

  /** The kernel writes into the address space that execve builds, and reads from the one that it leaves. */
  function kernelFault(exec: Exec, here: boolean, event: TraceEvent): void {
    if ((event.argLow[2]! & ERROR_WRITE) === 0) {
      if (here) pass(event);
      return;
    }
    if (!exec.taken) return;
    if (!here) begin(exec, event);
    pass(event);
  }

  function execDone(here: boolean, event: TraceEvent): void {
    const oldTid = argUnsigned(event, 1);
    const exec = execs.get(oldTid) ?? { taken: draw(), begun: false };
    execs.delete(oldTid);
    meet(event.tid, exec.taken);
    if (exec.taken) {
      if (!here) begin(exec, event);
      pass(event);
    } else if (here) leave(event.tid, event);
  }

  function execReturned(here: boolean, event: TraceEvent): void {
    const exec = execs.get(event.tid);
    execs.delete(event.tid);
    if (here) pass(event);
    else if (exec?.begun === true && isErrno(event)) leave(event.tid, event);
  }

  /** A child whose number belongs to a thread in the sample is proof that this one has ended, though its exit was lost. */
  function forked(here: boolean, event: TraceEvent): void {
    const child = argUnsigned(event, 1);
    if (!here && threads.get(child) === true) leave(child, event);
    threads.set(child, here);
    execs.delete(child);
  }

  function exited(event: TraceEvent): void {
    const tid = argUnsigned(event, 0);
    if (threads.get(tid) === true) pass(event);
    threads.delete(tid);
    execs.delete(tid);
  }

  return {
    counts,
    push(event) {
      const { kind, tid } = event;
      if (kind === EventKind.sched_process_exit) {
        exited(event);
        return;
      }
      if (kind === EventKind.sched_switch) {
        if (threads.get(tid) === true || threads.get(argUnsigned(event, 2)) === true) pass(event);
        return;
      }
      const here = threads.get(tid) ?? meet(tid, draw());
      const exec = execs.size === 0 ? undefined : execs.get(tid);
      if (kind === EventKind.sched_process_exec) execDone(here, event);
      else if (kind === EventKind.sys_exit_execve) execReturned(here, event);
      else if (kind === EventKind.page_fault_kernel && exec !== undefined) kernelFault(exec, here, event);
      else {
        if (kind === EventKind.sched_process_fork) forked(here, event);
        if (kind === EventKind.sys_enter_execve) execs.set(tid, { taken: draw(), begun: false });
        if (here) pass(event);
      }
    },
  };
}

/** A number that looks random, 0 to 2^32 - 1, of a seed and a place in the row. */
function mix(seed: number, index: number): number {
  let value = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(index + 1, 0xc2b2ae35);
  value = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  value = Math.imul(value ^ (value >>> 12), 0x297a2d39);
  return (value ^ (value >>> 15)) >>> 0;
}
