import Table from "cli-table3";
import type { Cell } from "cli-table3";

/** How wide a table's columns are, in characters. */
export interface Shape {
  /** Columns that each group of the table has. */
  readonly columns: number;
  /** Characters of the first column. */
  readonly label: number;
  /** Characters of each of a group's columns, a blank between them. */
  readonly column: number;
}

/** Groups of three columns, two of which fit into 100 characters. */
const WIDE: Shape = { columns: 3, label: 26, column: 11 };

/** Groups of one column, seven of which fit into 100 characters. */
export const NARROW: Shape = { columns: 1, label: 23, column: 10 };

/**
 * How many groups fit next to each other.
 * @param shape - of the table
 * @param width - characters of a line
 * @returns at least 1
 */
export function groupsIn({ columns, label, column }: Shape, width: number): number {
  return Math.max(1, Math.floor((width - label) / (columns * (column + 1))));
}

/** What a group shows in a row: a cell for each of its columns, or one that spans them all. */
export type GroupCells = string | readonly string[];

/** A row: a label, and what each group shows. A label alone is a line of its own, however long. */
export type Row = readonly [label: string, ...groups: GroupCells[]];

/**
 * Sets rows into a table of groups of columns, numbers to the right, with a line below the head alone.
 * @param head - a label, and each group's name
 * @param rows - the rows below
 * @param shape - how wide all that is
 * @returns lines, without a line break at the end
 */
export function layOut(
  [label, ...names]: readonly [label: string, ...names: string[]],
  rows: readonly Row[],
  shape: Shape = WIDE,
): string {
  const { columns } = shape;
  // Numbers stand at the right of their column, so a group seems narrower than it is.
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
  // cli-table3 cuts what is longer than its columns, and every row is one line.
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

/** Names of the groups, and the line below them. */
const HEAD_LINES = 2;

/** cli-table3's names of the characters that lines are drawn with, but for the one between columns. */
const LINES = ["top", "bottom", "left", "mid", "right"]
  .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
  .concat("mid-mid");
