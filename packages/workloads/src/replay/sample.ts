import { HASH_PROSPECTOR, Random } from "@kpkeys/core";
import { argUnsigned, EventKind, isErrno } from "../reader/event.js";
import type { TraceEvent } from "../reader/event.js";

/** The share of a trace's programs that is replayed. */
export interface SampleOptions {
  /** One program in `every` is replayed; 1 or more. */
  readonly every: number;
  /** Seed of the random choice. */
  readonly seed: number;
}

/** The size of a sample. */
export interface SampleCounts extends SampleOptions {
  /** Programs in the trace, including those that ran at its start. */
  readonly met: number;
  /** Programs replayed. */
  readonly taken: number;
  /** Events replayed. */
  readonly events: number;
}

/** An execve that a thread is in. */
interface Exec {
  /** Whether the program that it starts is in the sample. */
  readonly taken: boolean;
  /** Whether its entry was passed on for a thread that was not in the sample. */
  begun: boolean;
}

const ERROR_WRITE = 2;

/**
 * A sample of programs. A program is an address space from its execve to its end, with all processes and threads forked from it until
 * their next execve. It does not depend on earlier events, so each sampled program is replayed completely. Each program is chosen with
 * the same probability, independently of the others. A program that runs at the start of the trace counts as one program.
 */
export class Sample {
  readonly #every: number;
  readonly #seed: number;
  readonly #random: Random;
  readonly #sink: (event: TraceEvent) => void;
  /** Whether a thread is in the sample, by tid, for all threads alive. */
  readonly #threads = new Map<number, boolean>();
  /** Pending execves, by tid. */
  readonly #execs = new Map<number, Exec>();
  #met = 0;
  #taken = 0;
  #events = 0;

  /**
   * @param options - the share and the seed
   * @param sink - called for the events of sampled programs
   */
  constructor({ every, seed }: SampleOptions, sink: (event: TraceEvent) => void) {
    this.#every = every;
    this.#seed = seed;
    this.#random = new Random(Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b), HASH_PROSPECTOR);
    this.#sink = sink;
  }

  /** The counts so far. */
  get counts(): SampleCounts {
    return { every: this.#every, seed: this.#seed, met: this.#met, taken: this.#taken, events: this.#events };
  }

  /**
   * Passes an event on if its program is in the sample.
   * @param event - the next event of the trace; its kind may change during the call
   */
  push(event: TraceEvent): void {
    const { kind, tid } = event;
    if (kind === EventKind.sched_process_exit) {
      this.#exited(event);
      return;
    }
    if (kind === EventKind.sched_switch) {
      if (this.#threads.get(tid) === true || this.#threads.get(argUnsigned(event, 2)) === true) this.#pass(event);
      return;
    }
    const sampled = this.#threads.get(tid) ?? this.#meet(tid, this.#draw());
    const exec = this.#execs.size === 0 ? undefined : this.#execs.get(tid);
    if (kind === EventKind.sched_process_exec) this.#execDone(sampled, event);
    else if (kind === EventKind.sys_exit_execve) this.#execReturned(sampled, event);
    else if (kind === EventKind.page_fault_kernel && exec !== undefined) this.#kernelFault(exec, sampled, event);
    else {
      if (kind === EventKind.sched_process_fork) this.#forked(sampled, event);
      if (kind === EventKind.sys_enter_execve) this.#execs.set(tid, { taken: this.#draw(), begun: false });
      if (sampled) this.#pass(event);
    }
  }

  #draw(): boolean {
    return this.#random.below(this.#every) === 0;
  }

  #meet(tid: number, taken: boolean): boolean {
    this.#met++;
    if (taken) this.#taken++;
    this.#threads.set(tid, taken);
    return taken;
  }

  #pass(event: TraceEvent): void {
    this.#events++;
    this.#sink(event);
  }

  /** Passes an event on as one of another kind, with the same arguments. */
  #passAs(kind: EventKind, event: TraceEvent): void {
    const { kind: own } = event;
    event.kind = kind;
    this.#sink(event);
    event.kind = own;
  }

  /** A thread enters the sample with its pending execve. */
  #begin(exec: Exec, event: TraceEvent): void {
    if (exec.begun) return;
    exec.begun = true;
    this.#passAs(EventKind.sys_enter_execve, event);
  }

  /** A thread leaves the sample: an exit is passed on, so that the replay frees the address space. */
  #leave(tid: number, event: TraceEvent): void {
    event.argHigh[0] = 0;
    event.argLow[0] = tid;
    this.#passAs(EventKind.sched_process_exit, event);
  }

  /** During execve the kernel writes to the new address space and reads from the old one. */
  #kernelFault(exec: Exec, sampled: boolean, event: TraceEvent): void {
    if ((event.argLow[2]! & ERROR_WRITE) === 0) {
      if (sampled) this.#pass(event);
      return;
    }
    if (!exec.taken) return;
    if (!sampled) this.#begin(exec, event);
    this.#pass(event);
  }

  #execDone(sampled: boolean, event: TraceEvent): void {
    const oldTid = argUnsigned(event, 1);
    const exec = this.#execs.get(oldTid) ?? { taken: this.#draw(), begun: false };
    this.#execs.delete(oldTid);
    this.#meet(event.tid, exec.taken);
    if (exec.taken) {
      if (!sampled) this.#begin(exec, event);
      this.#pass(event);
    } else if (sampled) this.#leave(event.tid, event);
  }

  #execReturned(sampled: boolean, event: TraceEvent): void {
    const exec = this.#execs.get(event.tid);
    this.#execs.delete(event.tid);
    if (sampled) this.#pass(event);
    else if (exec?.begun === true && isErrno(event)) this.#leave(event.tid, event);
  }

  /** A new child with the tid of a sampled thread shows that this thread has ended and its exit event was lost. */
  #forked(sampled: boolean, event: TraceEvent): void {
    const child = argUnsigned(event, 1);
    if (!sampled && this.#threads.get(child) === true) this.#leave(child, event);
    this.#threads.set(child, sampled);
    this.#execs.delete(child);
  }

  #exited(event: TraceEvent): void {
    const tid = argUnsigned(event, 0);
    if (this.#threads.get(tid) === true) this.#pass(event);
    this.#threads.delete(tid);
    this.#execs.delete(tid);
  }
}
