import { MULBERRY32, Random } from "@kpkeys/core";
import type { MachineCounters } from "@kpkeys/kernel";
import type { CostFile, UnitCosts } from "./cost-file.js";
import { hardeningCounts, hardeningTime, spreadOfFaults } from "./model.js";
import { rangeOf, sixDigits } from "./statistics.js";

/** What the hardening is estimated to add to the system time of a workload. */
export interface OverheadEstimate {
  /** Percent of the system time without it; six significant digits, as the range has. */
  readonly percent: number;
  /** 5th percentile; equal to the estimate where the unit costs have no range. */
  readonly low: number;
  /** 95th percentile. */
  readonly high: number;
  /** What the unit costs were taken from. */
  readonly basis: string;
}

/** Seed of the range. */
const SEED = 1;

/**
 * Estimates the overhead of a replayed workload.
 * @param counters - what a machine with the hardening did for it
 * @param file - the unit costs, of the machine's architecture
 * @returns `null` when the workload has no fault to measure its system time by
 */
export function estimateOverhead(counters: MachineCounters, file: CostFile): OverheadEstimate | null {
  const { userFaults } = counters;
  if (userFaults === 0) return null;
  const percentBy = (costs: UnitCosts): number =>
    (100 * hardeningTime(costs, hardeningCounts(counters))) / (userFaults * costs.userFault);
  const percent = percentBy(file.costs);
  const random = new Random(SEED, MULBERRY32);
  const drawn = file.samples?.map((costs) => percentBy(costs) / spreadOfFaults(random));
  const { low, high } = drawn === undefined ? { low: percent, high: percent } : rangeOf(drawn);
  return { percent: sixDigits(percent), low: sixDigits(low), high: sixDigits(high), basis: file.basis };
}
