import type { VectorValue, WalkStep } from "@kpkeys/core/contracts";
import { hex, wordsToHex } from "@kpkeys/core/machine";
import type { VectorDisagreement, VectorVerdict } from "@kpkeys/explain";
import { count } from "./style.js";
import type { Style } from "./style.js";

/** One level of a walk. */
export interface ConformWalkStep {
  /** The level, 0 being the top. */
  readonly level: number;
  /** Physical address of the table, as hex. */
  readonly table: string;
  /** Index of the entry in it. */
  readonly index: number;
  /** The entry after the access, as hex. */
  readonly entry: string;
  /** What the entry is at this level. */
  readonly type: WalkStep["type"];
}

/** A vector on which the model disagrees. */
export interface ConformDisagreement {
  /** The vector's name. */
  readonly id: string;
  /** The file that it is in. */
  readonly file: string;
  /** Its line there, from 1 on. */
  readonly line: number;
  /** Both answers, by the fields on which they differ. */
  readonly fields: Readonly<Record<string, Pick<VectorDisagreement, "expected" | "model">>>;
  /** The walk to the address, through the tables as the model left them. */
  readonly walk: readonly ConformWalkStep[];
}

/** What `kpkeys conform --json` prints. */
export interface ConformReport {
  /** Lines on which every judged field agrees. */
  readonly agree: number;
  /** Lines on which some judged field does not. */
  readonly disagree: number;
  /** How many lines did not judge a field that they have: they list it as disputed, or it says nothing after a fault. */
  readonly skipped: Readonly<Record<string, number>>;
  /** The lines that disagree, in their order; the first 100,000. */
  readonly disagreements: readonly ConformDisagreement[];
  /** Lines a second of wall time: loading the architectures, reading, building the tables, judging. */
  readonly vectorsPerSecond: number;
}

/** What was counted in a file, or in all of them. */
export interface ConformCounts {
  /** The file as the command line gives it. */
  readonly name: string;
  /** Lines on which every judged field agrees. */
  agree: number;
  /** Lines on which some judged field does not. */
  disagree: number;
  /** Lines that skip a field, by the field. */
  readonly skipped: Record<string, number>;
  /** Wall time. */
  seconds: number;
}

/**
 * @param name - what is counted
 * @returns nothing counted yet
 */
export function createCounts(name: string): ConformCounts {
  return { name, agree: 0, disagree: 0, skipped: {}, seconds: 0 };
}

/**
 * Counts a verdict.
 * @param counts - takes it
 * @param verdict - what came of a line
 */
export function countVerdict(counts: ConformCounts, { disagreements, skipped }: VectorVerdict): void {
  if (disagreements.length === 0) counts.agree++;
  else counts.disagree++;
  for (const field of skipped) counts.skipped[field] = (counts.skipped[field] ?? 0) + 1;
}

/**
 * Adds up what was counted in files.
 * @param files - the files
 * @param seconds - wall time of it all
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
 * Puts a disagreement into plain data.
 * @param at - the vector's name, file and line
 * @param verdict - what came of it
 * @param walk - the walk to its address
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
 * @param total - what was counted in all files
 * @param disagreements - the lines that disagree
 * @returns the document of `--json`
 */
export function conformReportOf(total: ConformCounts, disagreements: readonly ConformDisagreement[]): ConformReport {
  const { agree, disagree, skipped } = total;
  return { agree, disagree, skipped, disagreements, vectorsPerSecond: rateOf(total) };
}

/** Lines a second. */
function rateOf({ agree, disagree, seconds }: ConformCounts): number {
  return Math.round((agree + disagree) / seconds);
}

/** Characters of a column of numbers. */
const COLUMN = 11;
const HEAD = ["lines", "agree", "disagree", "a second"];

/**
 * The report as text.
 * @param files - what was counted in each file
 * @param total - what was counted in all of them
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
    return [name.padEnd(width) + numbers(cells), `  not judged: ${skippedText(row)}`];
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
  if (disagree === 0) return style.green("Every judged field of every line agrees.");
  return style.red(`${count(disagree)} of ${count(agree + disagree)} lines disagree.`);
}

function disagreementText({ id, file, line, fields, walk }: ConformDisagreement, style: Style): string[] {
  const answers = Object.entries(fields).map(
    ([field, { expected, model }]) =>
      `  ${field}: expected ${valueText(expected)}, the model gives ${valueText(model)}`,
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
