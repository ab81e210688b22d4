import type { Detector, Exhibit, SideRun } from "@kpkeys/kunit-suite/museum";
import { NEXT_LABEL, seriesTitle } from "@kpkeys/scenarios";
import { counted } from "./style.js";
import type { Style } from "./style.js";
import { wrapped } from "./wrap.js";

/** One side of an exhibit on one architecture. */
export interface MuseumSide {
  /** Whether the bug showed. */
  readonly seen: boolean;
  /** The fault report or the scanner's finding of this run, in lines. */
  readonly evidence: string;
  /** Runs this side again: `kpkeys museum --replay`. */
  readonly replay: string;
  /** The steps and the events of the key register, in lines. Only with `--id`. */
  readonly trace?: readonly string[];
}

/** Both sides of an exhibit on one architecture. */
export interface MuseumSides {
  /** The old behaviour, which shows the bug. */
  readonly red: MuseumSide;
  /** The fixed behaviour, which does not. */
  readonly green: MuseumSide;
}

/** An exhibit, with the results of its sides on the first of its architectures. */
export interface MuseumExhibit extends MuseumSides {
  /** Its id. */
  readonly id: string;
  /** One line. */
  readonly title: string;
  /** The version with the bug and the version with the fix. */
  readonly series: string;
  /** The architectures that it was run on. */
  readonly arches: readonly string[];
  /** The results of the sides on each of them. */
  readonly sides: readonly (MuseumSides & {
    /** The architecture's id. */
    readonly arch: string;
  })[];
  /** How a run detects the bug. This and the following fields: only with `--id`. */
  readonly detector?: Detector;
  /** The source: changelog, mail or patch. */
  readonly citation?: string;
  /** The mechanism. */
  readonly story?: string;
  /** The fix. */
  readonly fix?: string;
}

/** What `kpkeys museum --json` prints. */
export interface MuseumReport {
  /** The exhibits, by the version that fixed them. */
  readonly exhibits: readonly MuseumExhibit[];
}

/** What `kpkeys museum --replay STRING --json` prints. */
export type MuseumReplay = Omit<SideRun, "asStated" | "facts">;

/** An exhibit that was run on an architecture. */
export interface ExhibitRun {
  /** The exhibit. */
  readonly exhibit: Exhibit;
  /** The architecture's id. */
  readonly arch: string;
  /** Its red side. */
  readonly red: SideRun;
  /** Its green side. */
  readonly green: SideRun;
}

/**
 * Whether an exhibit is red and green as stated.
 * @param run - both of its sides
 */
export function isAsStated({ red, green }: Pick<ExhibitRun, "red" | "green">): boolean {
  return red.asStated && green.asStated;
}

/**
 * @param runs - the exhibits, each on its architectures in a row
 * @param closely - whether stories and traces are told too
 * @returns the document of `--json`
 */
export function museumReportOf(runs: readonly ExhibitRun[], closely: boolean): MuseumReport {
  const sideOf = ({ seen, evidence, replay, trace }: SideRun): MuseumSide => ({
    seen,
    evidence,
    replay,
    ...(closely && { trace }),
  });
  return {
    exhibits: [...new Set(runs.map(({ exhibit }) => exhibit))].map((exhibit) => {
      const { id, title, series, detector, citation, story, fix } = exhibit;
      const sides = runs
        .filter((run) => run.exhibit === exhibit)
        .map(({ arch, red, green }) => ({ arch, red: sideOf(red), green: sideOf(green) }));
      const { red, green } = sides[0]!;
      const arches = sides.map(({ arch }) => arch);
      return { id, title, series, arches, red, green, sides, ...(closely && { detector, citation, story, fix }) };
    }),
  };
}

/** Columns of a line. */
const WIDTH = 100;
const HEAD = ["exhibit", "series", "arch", "red", "green", "detector"] as const;

/**
 * The table of the museum.
 * @param runs - the exhibits, each on its architectures in a row
 * @param style - its colours
 * @returns lines, the last with its line break
 */
export function museumTextOf(runs: readonly ExhibitRun[], style: Style): string {
  const rows = runs.map(({ exhibit, arch, red, green }, index) => {
    const isFirst = runs[index - 1]?.exhibit !== exhibit;
    const [id, series, detector] = isFirst ? [exhibit.id, exhibit.series, exhibit.detector] : ["", "", ""];
    return [id, series, arch, red.seen ? "seen" : "MISSED", green.seen ? "SEEN" : "not seen", detector] as const;
  });
  const widths = HEAD.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)));
  const lineOf = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd();
  const wrong = runs.filter((run) => !isAsStated(run));
  const exhibits = counted(new Set(runs.map(({ exhibit }) => exhibit)).size, "exhibit");
  const verdict =
    wrong.length === 0
      ? style.green(
          `${exhibits}, ${runs.length} by architecture: every red side shows its bug, and no green side does.`,
        )
      : style.red(`${wrong.length} of ${runs.length} are not as stated.`);
  const told = wrong.map(({ red, green }) => sideText(red.asStated ? green : red, style));
  const table = [style.bold(lineOf(HEAD)), ...rows.map(lineOf)].join("\n");
  const hasNext = runs.some(({ exhibit }) => seriesTitle(exhibit.series) !== exhibit.series);
  return `${[table, ...(hasNext ? [`next: ${NEXT_LABEL}`] : []), ...told, verdict].join("\n\n")}\n`;
}

/**
 * One exhibit, seen closely.
 * @param runs - the exhibit on its architectures
 * @param style - its colours
 * @returns lines, the last with its line break
 */
export function exhibitTextOf(runs: readonly ExhibitRun[], style: Style): string {
  const { id, title, series, detector, citation, story, fix } = runs[0]!.exhibit;
  const fact = (name: string, text: string): string =>
    block(text, WIDTH - 10)
      .map((line, index) => (index === 0 ? style.bold(name.padEnd(10)) : " ".repeat(10)) + line)
      .join("\n");
  const head = [
    `${style.bold(id)}: ${title}`,
    "",
    fact("series", seriesTitle(series)),
    fact("source", citation),
    fact("story", story),
    fact("fix", fix),
    fact("detector", detector),
  ].join("\n");
  const sides = runs.flatMap(({ red, green }) => [sideText(red, style), sideText(green, style)]);
  return `${[head, ...sides].join("\n\n")}\n`;
}

/**
 * One side: what happened, and the evidence.
 * @param run - the side
 * @param style - its colours
 * @returns lines, the last without a line break
 */
export function sideText({ id, side, arch, seen, asStated, evidence, trace, replay }: SideRun, style: Style): string {
  const verdict = (asStated ? style.green : style.red)(
    `${seen ? "the bug is seen" : "the bug is not seen"}${asStated ? "" : ", which is not as stated"}`,
  );
  return [
    `${style.bold(`${id}, ${side}, ${arch}`)}: ${verdict}`,
    ...indented(trace),
    style.bold("  evidence"),
    ...indented(evidence.split("\n")),
    `  kpkeys museum --replay ${replay}`,
  ].join("\n");
}

/** Lines that keep their own indentation, wrapped where they are too long. */
function indented(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const margin = " ".repeat(4 + line.length - line.trimStart().length);
    return block(line.trim(), WIDTH - margin.length).map((part) => margin + part);
  });
}

function block(text: string, width: number): string[] {
  return wrapped(text.split(" "), width);
}
