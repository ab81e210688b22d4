import type { VectorValue, WalkStep } from "@kpkeys/core/contracts";
import { hex, wordsToHex } from "@kpkeys/core/machine";
import type { VectorDisagreement, VectorVerdict } from "@kpkeys/explain";
import { count } from "./style.js";
import type { Style } from "./style.js";

/** One step of a walk. */
export interface ConformWalkStep {
  /** The level; 0 is the top level. */
  readonly level: number;
  /** Physical address of the table, as hex. */
  readonly table: string;
  /** Index of the entry in it. */
  readonly index: number;
  /** The entry after the access, as hex. */
  readonly entry: string;
  /** The type of the entry. */
  readonly type: WalkStep["type"];
}

/** A vector that disagrees with the model. */
export interface ConformDisagreement {
  /** The vector's name. */
  readonly id: string;
  /** The file that it is in. */
  readonly file: string;
  /** Its line, counted from 1. */
  readonly line: number;
  /** The fields that differ, with both values. */
  readonly fields: Readonly<Record<string, Pick<VectorDisagreement, "expected" | "model">>>;
  /** The walk of the address, with the table entries after the access. */
  readonly walk: readonly ConformWalkStep[];
}

/** The document of `kpkeys conform --json`. */
export interface ConformReport {
  /** Lines in which every compared field agrees. */
  readonly agree: number;
  /** Lines in which a compared field differs. */
  readonly disagree: number;
  /** Lines whose field was not compared, by field: it is listed as disputed, or undefined after a fault. */
  readonly skipped: Readonly<Record<string, number>>;
  /** The lines that disagree, in their order; the first 100,000. */
  readonly disagreements: readonly ConformDisagreement[];
  /** Lines per second of wall time, with loading the architectures, reading, building the tables and comparing. */
  readonly vectorsPerSecond: number;
}

/** Counts of one file, or of all files. */
export interface ConformCounts {
  /** The file name of the command line. */
  readonly name: string;
  /** Lines in which every compared field agrees. */
  agree: number;
  /** Lines in which a compared field differs. */
  disagree: number;
  /** Lines whose field was not compared, by field. */
  readonly skipped: Record<string, number>;
  /** Wall time in seconds. */
  seconds: number;
}

/**
 * @param name - the name of the file
 * @returns counts of zero
 */
export function createCounts(name: string): ConformCounts {
  return { name, agree: 0, disagree: 0, skipped: {}, seconds: 0 };
}

/**
 * Counts a verdict.
 * @param counts - the counts to update
 * @param verdict - the verdict of a line
 */
export function countVerdict(counts: ConformCounts, { disagreements, skipped }: VectorVerdict): void {
  if (disagreements.length === 0) counts.agree++;
  else counts.disagree++;
  for (const field of skipped) counts.skipped[field] = (counts.skipped[field] ?? 0) + 1;
}

/**
 * Sums the counts of files.
 * @param files - the counts
 * @param seconds - wall time of the whole run
 */
export function totalOf(files: readonly ConformCounts[], seconds: number): ConformCounts {
  const total = { ...createCounts("total"), seconds };
  for (const { agree, disagree, skipped } of files) {
    total.agree += agree;
    total.disagree += disagree;
    for (const [field, lines] of Object.entries(skipped)) total.skipped[field] = (total.skipped[field] ?? 0) + lines;
  }
  return total;
}

/**
 * Makes a disagreement plain data.
 * @param at - the vector's name, file and line
 * @param verdict - its verdict
 * @param walk - the walk of its address
 */
export function disagreementOf(
  at: Pick<ConformDisagreement, "id" | "file" | "line">,
  { disagreements }: VectorVerdict,
  walk: readonly WalkStep[],
): ConformDisagreement {
  return {
    ...at,
    fields: Object.fromEntries(disagreements.map(({ field, expected, model }) => [field, { expected, model }])),
    walk: walk.map(({ level, table, index, high, low, type }) => ({
      level,
      table: hex(table * 4096),
      index,
      entry: wordsToHex(high, low),
      type,
    })),
  };
}

/**
 * @param total - the counts of all files
 * @param disagreements - the lines that disagree
 * @returns the document of `--json`
 */
export function conformReportOf(total: ConformCounts, disagreements: readonly ConformDisagreement[]): ConformReport {
  const { agree, disagree, skipped } = total;
  return { agree, disagree, skipped, disagreements, vectorsPerSecond: rateOf(total) };
}

/** Lines per second. */
function rateOf({ agree, disagree, seconds }: ConformCounts): number {
  return Math.round((agree + disagree) / seconds);
}

/** Characters of a column of numbers. */
const COLUMN = 11;
const HEAD = ["lines", "agree", "disagree", "per second"];

/**
 * The report as text.
 * @param files - the counts of each file
 * @param total - the counts of all files
 * @param shown - the first lines that disagree
 * @param style - its colours
 * @returns lines, the last with its line break
 */
export function conformTextOf(
  files: readonly ConformCounts[],
  total: ConformCounts,
  shown: readonly ConformDisagreement[],
  style: Style,
): string {
  const rows = [...files, total];
  const width = Math.max(...rows.map(({ name }) => name.length));
  const numbers = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(COLUMN)).join("");
  const table = rows.flatMap((row) => {
    const { name, agree, disagree } = row;
    const cells = [agree + disagree, agree, disagree, rateOf(row)].map(count);
    return [name.padEnd(width) + numbers(cells), `  not compared: ${skippedText(row)}`];
  });
  const more = total.disagree - shown.length;
  const blocks = [
    [style.bold(" ".repeat(width) + numbers(HEAD)), ...table],
    ...shown.map((disagreement) => disagreementText(disagreement, style)),
    ...(more > 0 ? [[`${count(more)} more lines disagree.`]] : []),
    [verdictText(total, style)],
  ];
  return `${blocks.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function skippedText({ skipped }: ConformCounts): string {
  const fields = Object.entries(skipped).sort(([one], [other]) => (one < other ? -1 : 1));
  return fields.length === 0 ? "nothing" : fields.map(([field, lines]) => `${field} ${count(lines)}`).join(", ");
}

function verdictText({ agree, disagree }: ConformCounts, style: Style): string {
  if (disagree === 0) return style.green("All compared fields of all lines agree.");
  return style.red(`${count(disagree)} of ${count(agree + disagree)} lines disagree.`);
}

function disagreementText({ id, file, line, fields, walk }: ConformDisagreement, style: Style): string[] {
  const answers = Object.entries(fields).map(
    ([field, { expected, model }]) => `  ${field}: expected ${valueText(expected)}, model ${valueText(model)}`,
  );
  const levels = walk.map(
    ({ level, table, index, entry, type }) =>
      `  level ${level}: table ${table}, entry ${String(index).padStart(3)} = ${entry} (${type})`,
  );
  return [`${style.bold(JSON.stringify(id).slice(1, -1))} (${file}:${line})`, ...answers, ...levels];
}

function valueText(value: VectorValue): string {
  if (value === null) return "nothing";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
