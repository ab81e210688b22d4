import { MULBERRY32, Random } from "@kpkeys/core";
import type { MachineCounters } from "@kpkeys/kernel";
import type { CostFile, UnitCosts } from "./cost-file.js";
import { hardeningCounts, hardeningTime, spreadOfFaults } from "./model.js";
import { rangeOf, sixDigits } from "./statistics.js";

/** An estimate of the system time that the hardening adds to a workload. All numbers have six significant digits. */
export interface OverheadEstimate {
  /** Percent of the system time without hardening. */
  readonly percent: number;
  /** 5th percentile; equal to `percent` if the unit costs have no samples. */
  readonly low: number;
  /** 95th percentile. */
  readonly high: number;
  /** Origin of the unit costs. */
  readonly basis: string;
}

/** Seed of the draws for the range. */
const SEED = 1;

/**
 * Estimates the overhead of a replayed workload.
 * @param counters - the counters of the replay on a machine with the hardening
 * @param file - the unit costs of the machine's architecture
 * @returns `null` if the workload has no user fault, which is the measure of its system time
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
