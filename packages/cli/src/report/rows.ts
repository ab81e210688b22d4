import type { ArchReport, BootReport, CountedCost, Known } from "@kpkeys/workloads/report";
import { count, size } from "./style.js";
import type { Row } from "./table.js";

// Rows that the detailed table and the comparison of versions share.

/** A row of the cost of a replay: its label and its field. */
export type CostRow = readonly [label: string, field: CountedCost];

/** The costs that boot and a replay have: the label and the field of each. */
export const COSTS: readonly (readonly [label: string, field: keyof BootReport])[] = [
  ["table writes", "tableWrites"],
  ["register writes", "registerWrites"],
  ["key-switch barriers", "barriers"],
  ["TLB invalidations", "tlbInvalidations"],
];

/**
 * The rows of the cost of a replay. If the machines replayed different numbers of events, a row shows the numbers, because the other
 * rows cannot be compared.
 * @param arches - the results
 */
export function costRowsOf(arches: readonly ArchReport[]): readonly CostRow[] {
  const events = new Set(arches.flatMap(({ policies }) => Object.values(policies).map((policy) => policy.events)));
  return events.size > 1 ? [...COSTS, ["events replayed", "events"]] : COSTS;
}

/**
 * The rows of the linear map: its tables, its remaining blocks and its TLB reach, which depend on the allocation of table pages.
 * @param row - makes a row from a label and a cell for each column
 * @param columns - the results
 */
export function linearMapRows(
  row: (label: string, cell: (column: ArchReport) => string) => Row,
  columns: readonly ArchReport[],
): Row[] {
  const sizes = new Set(columns.flatMap(({ linearMap }) => linearMap.leaves.map(({ bytes }) => bytes)));
  return [
    row("  tables", ({ linearMap }) => count(linearMap.tables)),
    ...[...sizes].map((bytes) => row(`  leaves of ${size(bytes)}`, (column) => count(leavesOf(column, bytes)))),
    row("  splits", ({ linearMap }) => count(linearMap.splits)),
    row("  TLB reach", ({ linearMap }) => size(linearMap.tlbReach)),
  ];
}

function leavesOf({ linearMap }: ArchReport, bytes: number): Known {
  const leaves = linearMap.leaves.find((each) => each.bytes === bytes);
  return leaves === undefined ? 0 : leaves.count;
}
