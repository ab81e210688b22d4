import type { Random } from "@kpkeys/core";
import type { MachineCounters } from "@kpkeys/kernel";
import type { KernelWork } from "../micro/benchmark.js";

/**
 * The unit of all costs: one write of the key register with its ISB. The published numbers are ratios of times, so only ratios of costs
 * can be fitted to them.
 */
export const UNIT = "register write and ISB";

/** Name of a fitted cost. */
export type ParameterName = "elidedWrite" | "setMemoryPkey" | "tableWrite" | "rangeStep" | "page" | "block" | "folio";

/** A cost that is fitted. */
export interface Parameter {
  /** Its name. */
  readonly name: ParameterName;
  /** The operation that has this cost. */
  readonly meaning: string;
  /** Start value of the search, in {@link UNIT}. */
  readonly start: number;
}

/** The costs that are fitted. Each contributes to several rows of the table. */
export const PARAMETERS: readonly Parameter[] = [
  { name: "elidedWrite", meaning: "a register write without an ISB: a later barrier synchronises it", start: 0.3 },
  {
    name: "setMemoryPkey",
    meaning: "set_memory_pkey of one page: walk, entry, barriers, TLB invalidation, without its key switches",
    start: 40,
  },
  { name: "tableWrite", meaning: "a page-table entry read, changed and written without hardening", start: 1 },
  { name: "rangeStep", meaning: "a range of kernel addresses reserved, mapped, unmapped or released", start: 5 },
  { name: "page", meaning: "a page allocated from the buddy allocator and freed", start: 3 },
  { name: "block", meaning: "a block of 16 pages allocated, split, and freed page by page", start: 60 },
  {
    name: "folio",
    meaning: "the last unmap of a user folio (rmap, memory cgroup, LRU) and its free",
    start: 10,
  },
];

/** A value for each fitted cost, in {@link UNIT}. */
export type Costs = Readonly<Record<ParameterName, number>>;

/**
 * System time per user fault of a compiler run, with exec, exit, files and all other kernel work, in units of the unmap of an order-0
 * folio: 3.1 µs per fault (`gcc -O2`, 64,600 faults) divided by 250 ns per page of munmap. Measured on x86-64, Linux 6.18, in a virtual
 * machine. It is a constant of the model and is not fitted.
 */
const FOLIOS_PER_FAULT = 12.4;

/**
 * Draws the uncertainty of the system time per fault, which depends on the program, the machine and the kernel: a factor of 0.5 to 2,
 * with a uniform logarithm.
 * @param random - the generator
 * @returns the factor
 */
export function spreadOfFaults(random: Random): number {
  return 2 ** (2 * random.fraction() - 1);
}

/** The work that the hardening adds to an operation. */
export interface HardeningCounts {
  /** Register writes with their own barrier. */
  readonly synchronisedWrites: number;
  /** Register writes that another barrier, or an exception return, synchronises. */
  readonly elidedWrites: number;
  /** Calls of set_memory_pkey, of one page each. */
  readonly setMemoryPkeyCalls: number;
}

/** The input of the model for one operation. */
export interface ModelRow {
  /** Work that the hardening adds. */
  readonly hardening: HardeningCounts;
  /** Page-table entries written without hardening. */
  readonly tableWrites: number;
  /** Other kernel work. */
  readonly work: KernelWork;
}

/**
 * Extracts the work of the hardening from a machine's counters. All counts are 0 on a machine without hardening.
 * @param counters - the counters
 */
export function hardeningCounts(
  counters: Pick<MachineCounters, "registerWrites" | "barriers" | "setMemoryPkeyCalls">,
): HardeningCounts {
  const { registerWrites, barriers, setMemoryPkeyCalls } = counters;
  return { synchronisedWrites: barriers, elidedWrites: registerWrites - barriers, setMemoryPkeyCalls };
}

/**
 * The time that the hardening adds.
 * @param costs - the unit costs
 * @param counts - the work of the hardening
 * @returns the time in the unit of `costs`
 */
export function hardeningTime(
  costs: Pick<Costs, "elidedWrite" | "setMemoryPkey"> & { readonly synchronisedWrite?: number },
  { synchronisedWrites, elidedWrites, setMemoryPkeyCalls }: HardeningCounts,
): number {
  const { synchronisedWrite = 1, elidedWrite, setMemoryPkey } = costs;
  return synchronisedWrites * synchronisedWrite + elidedWrites * elidedWrite + setMemoryPkeyCalls * setMemoryPkey;
}

/**
 * The system time per user fault without hardening.
 * @param costs - the unit costs
 * @returns the time in {@link UNIT}
 */
export function userFaultTime({ folio, tableWrite }: Pick<Costs, "folio" | "tableWrite">): number {
  return FOLIOS_PER_FAULT * (folio + tableWrite);
}

/**
 * The overhead of an operation.
 * @param costs - the unit costs
 * @param row - the operation
 * @returns the time added, in percent of the time without hardening
 */
export function overheadOf(costs: Costs, { hardening, tableWrites, work }: ModelRow): number {
  const baseline =
    tableWrites * costs.tableWrite +
    work.rangeSteps * costs.rangeStep +
    work.pages * costs.page +
    work.blocks * costs.block +
    work.folios * costs.folio +
    work.userFaults * userFaultTime(costs);
  return (100 * hardeningTime(costs, hardening)) / baseline;
}
