import type { Machine, MachineCounters } from "@kpkeys/kernel";
import { countersSince } from "../replay/counters.js";

/**
 * The work that an operation is for the kernel besides writing page-table entries, in things that can be counted without a clock. It
 * is the same whatever protects the page tables.
 */
export interface KernelWork {
  /** Steps that reserve, map, unmap or release a range of kernel addresses. */
  readonly rangeSteps: number;
  /** Single pages taken from the buddy allocator and given back. */
  readonly pages: number;
  /** Blocks of 16 pages taken, split into pages, and given back page by page. */
  readonly blocks: number;
  /** User folios, of whatever size, unmapped for the last time and given back. */
  readonly folios: number;
  /** Faults of user addresses, as a measure of all that a process has the kernel do. */
  readonly userFaults: number;
}

/** No work. */
export const NO_WORK: KernelWork = { rangeSteps: 0, pages: 0, blocks: 0, folios: 0, userFaults: 0 };

/** A benchmark of page-table operations, as kernel operations on contracts. */
export interface MicroBenchmark {
  /** Its name in the table of RFC v5: `fork h:0`, `fix_size p:4 h:0`. */
  readonly name: string;
  /** What one operation is, in words. */
  readonly operation: string;
  /** The work of one operation. */
  readonly work: KernelWork;
  /**
   * Makes what one run needs; nothing of it is counted.
   * @param machine - a booted machine
   * @returns the run, which is counted, and what cleans up after it
   */
  prepare(machine: Machine): MicroRun;
}

/** A benchmark that is ready to run. */
export interface MicroRun {
  /** Operations that {@link run} makes. */
  readonly operations: number;
  /** Makes them. */
  readonly run: () => void;
  /** Undoes what preparing and running left. */
  readonly cleanUp: () => void;
}

/** What a machine did for a benchmark. */
export interface MicroResult {
  /** The benchmark's name. */
  readonly name: string;
  /** Operations made. */
  readonly operations: number;
  /** The work of one operation. */
  readonly work: KernelWork;
  /** What the machine did for all operations together. */
  readonly counters: MachineCounters;
}

/**
 * Runs a benchmark and counts.
 * @param machine - a booted machine
 * @param benchmark - what to run
 * @returns what the machine did for it
 * @throws KpkeysError ERR_OUT_OF_MEMORY on a machine that is too small, ERR_KERNEL_FAULT when the kernel itself faults
 */
export function runMicro(machine: Machine, benchmark: MicroBenchmark): MicroResult {
  const { operations, run, cleanUp } = benchmark.prepare(machine);
  const before = machine.counters();
  run();
  const counters = countersSince(before, machine.counters());
  cleanUp();
  return { name: benchmark.name, operations, work: benchmark.work, counters };
}
