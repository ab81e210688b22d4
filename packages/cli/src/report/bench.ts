import type { Regression } from "../bench/compare.js";
import type { FigureResult } from "../bench/measure.js";
import { count } from "./style.js";
import type { Style } from "./style.js";
import { layOut } from "./table.js";
import type { Row } from "./table.js";

/** What `kpkeys bench --json` prints. */
export interface BenchReport {
  /** Where it was measured. */
  readonly machine: {
    /** Model of the processor. */
    readonly cpu: string;
    /** Version of Node.js. */
    readonly node: string;
  };
  /** How many rounds the medians are of. */
  readonly rounds: number;
  /** Why there are no ratios to C; `null` when there are. */
  readonly withoutC: string | null;
  /** The figures. */
  readonly figures: readonly FigureResult[];
  /** What got worse since an earlier document, where one was given. */
  readonly regressions?: readonly Regression[];
}

/**
 * The figures as text.
 * @param report - what was measured
 * @param style - its colours
 * @returns lines, the last with its line break
 */
export function benchTextOf(report: BenchReport, style: Style): string {
  const { machine, rounds, withoutC, figures, regressions } = report;
  const arches = [...new Set(figures.map(({ arch }) => arch ?? ""))];
  const tables = arches.map((arch) => tableOf(arch, figures, style));
  const notes = [
    `Medians of ${rounds} interleaved rounds; ${machine.cpu}, Node.js ${machine.node}.`,
    withoutC === null
      ? "x C: the ratio to the same algorithm in C, compiled with cc -O2, in the same round."
      : `Without ratios to C: ${withoutC}.`,
  ];
  return [...tables, notes.join("\n"), ...regressionText(regressions, style)].join("\n\n") + "\n";
}

function tableOf(arch: string, figures: readonly FigureResult[], style: Style): string {
  const mine = figures.filter((figure) => (figure.arch ?? "") === arch);
  return layOut(
    ["figure", arch === "" ? "any architecture" : arch],
    [
      [style.bold("one operation"), ["time", "a second", "x C"]],
      ...mine.map((figure): Row => [
        figure.name,
        [timeText(figure.nsPerOperation), count(Math.round(figure.operationsPerSecond)), ratioText(figure)],
      ]),
      ...mine
        .filter(({ baseline }) => baseline !== null)
        .map((figure): Row => [`  ${figure.name}`, `${figure.ratioToBaseline!.toFixed(2)} x ${figure.baseline!}`]),
    ],
    { label: 28, column: 15, columns: 3 },
  );
}

const UNITS = [
  [1e9, "s"],
  [1e6, "ms"],
  [1e3, "us"],
  [1, "ns"],
] as const;

function timeText(ns: number): string {
  const [size, unit] = UNITS.find(([least]) => ns >= least) ?? UNITS[3];
  return `${(ns / size).toFixed(2)} ${unit}`;
}

function ratioText({ ratioToC }: FigureResult): string {
  return ratioToC === null ? "" : ratioToC.toFixed(2);
}

function regressionText(regressions: readonly Regression[] | undefined, style: Style): string[] {
  if (regressions === undefined) return [];
  if (regressions.length === 0) return [style.green("Nothing got worse by more than noise.")];
  return regressions.map(({ name, arch, by, factor, allowed }) => {
    const where = arch === null ? "" : ` on ${arch}`;
    const worse = by === "instructions" ? "as many instructions" : "slower";
    return style.red(`${name}${where}: ${factor.toFixed(2)} times ${worse}, where ${allowed.toFixed(2)} may be noise`);
  });
}
