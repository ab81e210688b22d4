import type { FigureResult } from "./rounds.js";

/** The document of `npm run bench -- --json`. */
export interface BenchReport {
  /** The computer. */
  readonly machine: {
    /** Model of the processor. */
    readonly cpu: string;
    /** Version of Node.js. */
    readonly node: string;
  };
  /** Number of rounds. */
  readonly rounds: number;
  /** The figures. */
  readonly figures: readonly FigureResult[];
}

const HEAD = ["figure", "architecture", "time", "x C", "spread", "one operation"];
const RIGHT_ALIGNED = [2, 3, 4];
const UNITS = [
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "us"],
  [1, "ns"],
] as const;

/**
 * The figures as a table.
 * @param report - the report
 * @returns lines, each with a line break
 */
export function textOf({ machine, rounds, figures }: BenchReport): string {
  const rows = [HEAD, ...figures.map(rowOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        RIGHT_ALIGNED.includes(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd(),
  );
  const ratios = figures
    .filter(({ ratioToFirst }) => ratioToFirst !== undefined)
    .map(({ name, arch, ratioToFirst }) => `${name}, ${arch!}: ${ratioToFirst!.toFixed(2)} times the first.`);
  const withoutC = figures.every(({ ratioToC }) => ratioToC === null) ? [`No ratio to C: ${figures[0]!.reason!}.`] : [];
  const basis = `Medians of ${rounds} rounds; ${machine.cpu}, Node.js ${machine.node}.`;
  return [...lines, "", ...ratios, ...withoutC, basis, ""].join("\n");
}

function rowOf({ name, arch, nsPerOp, ratioToC, spread, operation }: FigureResult): string[] {
  const ratio = ratioToC === null ? "" : ratioToC.toFixed(2);
  return [name, arch ?? "", timeText(nsPerOp), ratio, `${(spread * 100).toFixed(0)}%`, operation];
}

function timeText(ns: number): string {
  const [size, unit] = UNITS.find(([least]) => ns >= least) ?? UNITS[3];
  return `${(ns / size).toFixed(2)} ${unit}`;
}
