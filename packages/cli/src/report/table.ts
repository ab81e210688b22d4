import Table from "cli-table3";
import type { Cell } from "cli-table3";

/** The widths of a table's columns. */
export interface Shape {
  /** Columns of each group. */
  readonly columns: number;
  /** Width of the first column, in characters. */
  readonly label: number;
  /** Width of each column of a group, in characters, without the blank between columns. */
  readonly column: number;
}

/** Groups of three columns. Two groups fit into 100 characters. */
const WIDE: Shape = { columns: 3, label: 26, column: 11 };

/** Groups of one column. Seven groups fit into 100 characters. */
export const NARROW: Shape = { columns: 1, label: 23, column: 10 };

/**
 * The number of groups that fit next to each other.
 * @param shape - the shape of the table
 * @param width - characters of a line
 * @returns at least 1
 */
export function groupsIn({ columns, label, column }: Shape, width: number): number {
  return Math.max(1, Math.floor((width - label) / (columns * (column + 1))));
}

/** The cells of a group in a row: one for each column, or one that spans them all. */
export type GroupCells = string | readonly string[];

/** A row: a label and the cells of each group. A row without groups is one line of any length. */
export type Row = readonly [label: string, ...groups: GroupCells[]];

/**
 * Formats a table of groups of columns, with a line below the head. Cells are aligned to the right.
 * @param head - a label and the name of each group
 * @param rows - the rows below the head
 * @param shape - the widths
 * @returns lines, without a line break at the end
 */
export function layOut(
  [label, ...names]: readonly [label: string, ...names: string[]],
  rows: readonly Row[],
  shape: Shape = WIDE,
): string {
  const { columns } = shape;
  // Shorter than the group, because right-aligned numbers leave the left of a group empty.
  const rule = "─".repeat(columns * shape.column - columns);
  const table = new Table({
    chars: { ...Object.fromEntries(LINES.map((name) => [name, ""])), middle: " " },
    colWidths: [shape.label, ...Array.from({ length: names.length * columns }, () => shape.column)],
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  table.push([label, ...names.map((name): Cell => ({ content: name, colSpan: columns, hAlign: "right" }))]);
  for (const [first, ...groups] of [["", ...names.map(() => rule)] as Row, ...rows]) {
    table.push([first, ...names.flatMap((_, group) => cellsOf(groups[group] ?? "", columns))]);
  }
  // cli-table3 cuts text that is longer than its column, so insert full lines afterwards.
  const lines = table.toString().split("\n");
  rows.forEach(([text, ...groups], at) => {
    if (groups.length === 0) lines[HEAD_LINES + at] = text;
  });
  return lines.map((line) => line.replace(/ +$/, "")).join("\n");
}

function cellsOf(cells: GroupCells, columns: number): Cell[] {
  if (typeof cells === "string") return [{ content: cells, colSpan: columns, hAlign: "right" }];
  return Array.from({ length: columns }, (_, column) => ({ content: cells[column] ?? "", hAlign: "right" }));
}

/** Lines of the head: the names of the groups, and the line below them. */
const HEAD_LINES = 2;

/** cli-table3's names of the characters of lines, except the one between columns. */
const LINES = ["top", "bottom", "left", "mid", "right"]
  .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
  .concat("mid-mid");
