import type { ArchReport, CountedCost } from "@kpkeys/workloads/report";

/** A row of what a replay cost: what it is called, and where it stands. */
export type CostRow = readonly [label: string, field: CountedCost];

const COSTS: readonly CostRow[] = [
  ["table writes", "tableWrites"],
  ["register writes", "registerWrites"],
  ["barriers of switches", "barriers"],
  ["TLB invalidations", "tlbInvalidations"],
];

/**
 * The rows of what a replay cost. How many events it replayed is one of them where machines came to different ends, so that nobody
 * compares the other rows.
 * @param arches - what was found out
 */
export function costRowsOf(arches: readonly ArchReport[]): readonly CostRow[] {
  const events = new Set(arches.flatMap(({ policies }) => Object.values(policies).map((policy) => policy.events)));
  return events.size > 1 ? [...COSTS, ["events replayed", "events"]] : COSTS;
}
