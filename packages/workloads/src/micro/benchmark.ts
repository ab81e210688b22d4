import type { Machine, MachineCounters } from "@kpkeys/kernel";
import { countersSince } from "../replay/counters.js";

/** The kernel work of an operation besides page-table writes. The counts need no clock and do not depend on the hardening. */
export interface KernelWork {
  /** Steps that reserve, map, unmap or release a range of kernel addresses. */
  readonly rangeSteps: number;
  /** Single pages allocated from the buddy allocator and freed. */
  readonly pages: number;
  /** Blocks of 16 pages allocated, split into pages, and freed page by page. */
  readonly blocks: number;
  /** User folios of any size with their last unmap and free. */
  readonly folios: number;
  /** User faults, as a measure of all other kernel work of a process. */
  readonly userFaults: number;
}

/** No work. */
export const NO_WORK: KernelWork = { rangeSteps: 0, pages: 0, blocks: 0, folios: 0, userFaults: 0 };

/** A benchmark of page-table operations. */
export interface MicroBenchmark {
  /** Its name in the table of RFC v5: `fork h:0`, `fix_size p:4 h:0`. */
  readonly name: string;
  /** Description of one operation. */
  readonly operation: string;
  /** The work of one operation. */
  readonly work: KernelWork;
  /**
   * Prepares one run. The preparation is not counted.
   * @param machine - a booted machine
   */
  prepare(machine: Machine): MicroRun;
}

/** A prepared run. */
export interface MicroRun {
  /** Number of operations of {@link run}. */
  readonly operations: number;
  /** Runs the operations. */
  readonly run: () => void;
  /** Frees the memory and the processes of the preparation and the run. */
  readonly cleanUp: () => void;
}

/** The result of a benchmark. */
export interface MicroResult {
  /** The benchmark's name. */
  readonly name: string;
  /** Number of operations. */
  readonly operations: number;
  /** The work of one operation. */
  readonly work: KernelWork;
  /** The machine's counters for all operations together. */
  readonly counters: MachineCounters;
}

/**
 * Runs a benchmark and counts the work of the machine.
 * @param machine - a booted machine
 * @param benchmark - the benchmark
 * @throws KpkeysError ERR_OUT_OF_MEMORY if the machine has too little memory; ERR_KERNEL_FAULT if the model kernel faults
 */
export function runMicro(machine: Machine, benchmark: MicroBenchmark): MicroResult {
  const { operations, run, cleanUp } = benchmark.prepare(machine);
  const before = machine.counters();
  run();
  const counters = countersSince(before, machine.counters());
  cleanUp();
  return { name: benchmark.name, operations, work: benchmark.work, counters };
}
