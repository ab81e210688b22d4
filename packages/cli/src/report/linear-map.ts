import type { ArchReport, Known } from "@kpkeys/workloads/report";
import { count, size } from "./style.js";
import type { Row } from "./table.js";

/**
 * Rows about the linear map, which pays for the way in which table pages are allocated: the tables that it takes, the blocks that are
 * left of it, and how far the TLB reaches.
 * @param row - makes a row of a label and a cell for each column
 * @param columns - what was found out
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
  const leaves = linearMap.leaves.find((leaves) => leaves.bytes === bytes);
  return leaves === undefined ? 0 : leaves.count;
}
