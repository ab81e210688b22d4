import type { Setter } from "@kpkeys/core/contracts";
import type { MachineCounters } from "@kpkeys/kernel";

/**
 * The work of a machine between two readings of its counters.
 * @param before - the first reading
 * @param after - the second reading
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
