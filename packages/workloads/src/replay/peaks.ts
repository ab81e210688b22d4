import type { Machine, MachineCounters } from "@kpkeys/kernel";
import { countersSince } from "./counters.js";

/** A new peak has at least this many times the live table pages of the last one. */
const GROWTH = 1.25;

/** Calls a tool at the peaks of the table pages. The work and the time of the tool are not part of the replay's result. */
export class Peaks {
  /** Wall time of the tool. */
  seconds = 0;
  private readonly machine: Machine;
  private readonly tool: () => void;
  private readonly toolCounters: MachineCounters[] = [];
  private peak = 0;

  /**
   * @param machine - the machine
   * @param tool - called at each peak
   */
  constructor(machine: Machine, tool: () => void) {
    this.machine = machine;
    this.tool = tool;
  }

  /** A process is about to exit: calls the tool if the live table pages exceed the last peak by 25 %. */
  beforeExit(): void {
    const counters = this.machine.counters();
    const live = counters.tablesAllocated - counters.tablesFreed;
    if (live < this.peak * GROWTH) return;
    this.peak = live;
    const start = performance.now();
    this.tool();
    this.seconds += (performance.now() - start) / 1000;
    this.toolCounters.push(countersSince(counters, this.machine.counters()));
  }

  /**
   * Subtracts the work of the tool from counters.
   * @param counters - the counters of the replay and the tool
   */
  withoutTool(counters: MachineCounters): MachineCounters {
    return this.toolCounters.reduce((rest, each) => countersSince(each, rest), counters);
  }
}
