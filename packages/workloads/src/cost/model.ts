import type { Random } from "@kpkeys/core";
import type { MachineCounters } from "@kpkeys/kernel";
import type { KernelWork } from "../micro/benchmark.js";

/**
 * The unit of all costs. The published numbers are ratios of times, so that only ratios of costs can be had from them: one write of the
 * key register with its ISB is the unit.
 */
export const UNIT = "register write and ISB";

/** Name of a fitted cost. */
export type ParameterName = "elidedWrite" | "setMemoryPkey" | "tableWrite" | "rangeStep" | "page" | "block" | "folio";

/** A cost that is fitted. */
export interface Parameter {
  /** Its name. */
  readonly name: ParameterName;
  /** The operation that it is the time of. */
  readonly meaning: string;
  /** The value that the search begins with, in the unit of the model. */
  readonly start: number;
}

/** The costs that are fitted. None belongs to one row of the table alone. */
export const PARAMETERS: readonly Parameter[] = [
  { name: "elidedWrite", meaning: "a register write whose ISB is left to the barrier that follows anyway", start: 0.3 },
  {
    name: "setMemoryPkey",
    meaning: "set_memory_pkey of one page: walk, entry, barriers, TLB invalidation, without its key switches",
    start: 40,
  },
  { name: "tableWrite", meaning: "a page-table entry read, changed and written without hardening", start: 1 },
  { name: "rangeStep", meaning: "a range of kernel addresses reserved, mapped, unmapped or released", start: 5 },
  { name: "page", meaning: "a page taken from the buddy allocator and given back", start: 3 },
  { name: "block", meaning: "a block of 16 pages taken, split, and given back page by page", start: 60 },
  {
    name: "folio",
    meaning: "a user folio unmapped for the last time (rmap, memory cgroup, LRU) and given back",
    start: 10,
  },
];

/** A value for each fitted cost, in {@link UNIT}. */
export type Costs = Readonly<Record<ParameterName, number>>;

/**
 * System time of a fault of a user address when a compiler runs, exec, exit, files and all else included, in order-0 folios unmapped:
 * 3.1 µs of system time a fault (`gcc -O2`, 64,600 faults) against 250 ns a page of munmap. Measured on x86-64, Linux 6.18, in a virtual
 * machine; it is no part of the fit.
 */
const FOLIOS_PER_FAULT = 12.4;

/**
 * How far the system time of a fault may be from that: half to double, evenly by its logarithm. Programs, machines and kernels differ
 * in it.
 * @param random - draws
 * @returns a factor
 */
export function spreadOfFaults(random: Random): number {
  return 2 ** (2 * random.fraction() - 1);
}

/** What the hardening had a machine do for an operation. */
export interface HardeningCounts {
  /** Register writes, each with a barrier of its own. */
  readonly synchronisedWrites: number;
  /** Register writes that another barrier, or an exception return, synchronises. */
  readonly elidedWrites: number;
  /** Calls of set_memory_pkey, of one page each. */
  readonly setMemoryPkeyCalls: number;
}

/** An operation as the model sees it. */
export interface ModelRow {
  /** What the hardening adds. */
  readonly hardening: HardeningCounts;
  /** Page-table entries that it writes without hardening. */
  readonly tableWrites: number;
  /** What else it is for the kernel. */
  readonly work: KernelWork;
}

/**
 * What of a machine's counters costs time with the hardening on. On a machine without it all are 0.
 * @param counters - the counters
 */
export function hardeningCounts(
  counters: Pick<MachineCounters, "registerWrites" | "barriers" | "setMemoryPkeyCalls">,
): HardeningCounts {
  const { registerWrites, barriers, setMemoryPkeyCalls } = counters;
  return { synchronisedWrites: barriers, elidedWrites: registerWrites - barriers, setMemoryPkeyCalls };
}

/**
 * Time that the hardening adds.
 * @param costs - the unit costs
 * @param counts - what was counted
 * @returns in {@link UNIT}
 */
export function hardeningTime(
  costs: Pick<Costs, "elidedWrite" | "setMemoryPkey"> & { readonly synchronisedWrite?: number },
  { synchronisedWrites, elidedWrites, setMemoryPkeyCalls }: HardeningCounts,
): number {
  const { synchronisedWrite = 1, elidedWrite, setMemoryPkey } = costs;
  return synchronisedWrites * synchronisedWrite + elidedWrites * elidedWrite + setMemoryPkeyCalls * setMemoryPkey;
}

/**
 * System time of a user fault without hardening.
 * @param costs - the unit costs
 */
export function userFaultTime({ folio, tableWrite }: Pick<Costs, "folio" | "tableWrite">): number {
  return FOLIOS_PER_FAULT * (folio + tableWrite);
}

/**
 * The overhead of an operation: time added, in percent of the time without hardening.
 * @param costs - the unit costs
 * @param row - the operation
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
