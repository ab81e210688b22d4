import type { Machine, MachineCounters } from "@kpkeys/kernel";
import { countersSince } from "./counters.js";

/** By how much the live table pages exceed those of the last such moment. */
const FULLER = 1.25;

/** Calls a tool when there are clearly more table pages than before, and keeps what the tool does out of the replay's account. */
export class FullerMoments {
  /** Wall time of the tool. */
  seconds = 0;
  readonly #machine: Machine;
  readonly #tool: () => void;
  readonly #toolCounters: MachineCounters[] = [];
  #fullest = 0;

  /**
   * @param machine - the machine
   * @param tool - called at these moments
   */
  constructor(machine: Machine, tool: () => void) {
    this.#machine = machine;
    this.#tool = tool;
  }

  /** A process is about to exit: calls the tool if there is more to see than at its last call. */
  beforeExit(): void {
    const counters = this.#machine.counters();
    const live = counters.tablesAllocated - counters.tablesFreed;
    if (live < this.#fullest * FULLER) return;
    this.#fullest = live;
    const start = performance.now();
    this.#tool();
    this.seconds += (performance.now() - start) / 1000;
    this.#toolCounters.push(countersSince(counters, this.#machine.counters()));
  }

  /**
   * Takes out of counters what the tool had the machine do.
   * @param counters - of the replay and the tool
   */
  withoutTool(counters: MachineCounters): MachineCounters {
    return this.#toolCounters.reduce((rest, each) => countersSince(each, rest), counters);
  }
}
