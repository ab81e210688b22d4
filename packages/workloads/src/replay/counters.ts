import type { Setter } from "@kpkeys/core/contracts";
import type { MachineCounters } from "@kpkeys/kernel";

/**
 * What a machine did between two moments.
 * @param before - its counters at the first
 * @param after - its counters at the second
 */
export function countersSince(before: MachineCounters, after: MachineCounters): MachineCounters {
  const { writesBySetter, ...counts } = after;
  const differences = Object.fromEntries(
    Object.entries(counts).map(([name, count]) => [name, count - before[name as keyof typeof counts]]),
  ) as typeof counts;
  const bySetter = Object.fromEntries(
    Object.entries(writesBySetter).map(([setter, count]) => [setter, count - before.writesBySetter[setter as Setter]]),
  ) as Record<Setter, number>;
  return { ...differences, writesBySetter: bySetter };
}
