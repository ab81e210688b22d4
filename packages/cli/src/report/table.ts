import Table from "cli-table3";
import type { Cell } from "cli-table3";

/** Columns that each group of the table has. */
const COLUMNS = 3;
/** Characters of the first column, and of each of a group's, a blank between them: two groups fit into 100. */
const LABEL_WIDTH = 26;
const COLUMN_WIDTH = 11;
/** Numbers stand at the right of their column, so a group seems narrower than it is. */
const RULE = "─".repeat(COLUMNS * COLUMN_WIDTH - 3);

/** What a group shows in a row: a cell for each of its columns, or one that spans them all. */
export type GroupCells = string | readonly string[];

/** A row: a label, and what each group shows. A row of an empty label alone is blank. */
export type Row = readonly [label: string, ...groups: GroupCells[]];

/**
 * Sets rows into a table of groups of three columns, numbers to the right, with a line below the head alone.
 * @param head - a label, and each group's name
 * @param rows - the rows below
 * @returns lines, without a line break at the end
 */
export function layOut([label, ...names]: readonly [label: string, ...names: string[]], rows: readonly Row[]): string {
  const columns = Array.from({ length: names.length * COLUMNS }, () => COLUMN_WIDTH);
  const table = new Table({
    chars: { ...Object.fromEntries(LINES.map((name) => [name, ""])), middle: " " },
    colWidths: [LABEL_WIDTH, ...columns],
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  table.push([label, ...names.map((name): Cell => ({ content: name, colSpan: COLUMNS, hAlign: "right" }))]);
  for (const [first, ...groups] of [["", ...names.map(() => RULE)] as Row, ...rows]) {
    table.push([first, ...names.flatMap((_, group) => cellsOf(groups[group] ?? ""))]);
  }
  return table.toString().replaceAll(/ +$/gm, "");
}

function cellsOf(cells: GroupCells): Cell[] {
  if (typeof cells === "string") return [{ content: cells, colSpan: COLUMNS, hAlign: "right" }];
  return Array.from({ length: COLUMNS }, (_, column) => ({ content: cells[column] ?? "", hAlign: "right" }));
}

/** cli-table3's names of the characters that lines are drawn with, but for the one between columns. */
const LINES = ["top", "bottom", "left", "mid", "right"]
  .flatMap((side) => [side, `${side}-mid`, `${side}-left`, `${side}-right`])
  .concat("mid-mid");
