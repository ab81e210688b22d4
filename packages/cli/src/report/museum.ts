import type { Detector, Exhibit, SideRun } from "@kpkeys/kunit-suite/museum";
import { NEXT_LABEL, seriesTitle } from "@kpkeys/scenarios";
import { counted } from "./style.js";
import type { Style } from "./style.js";
import { wrapped } from "./wrap.js";

/** One side of an exhibit on one architecture. */
export interface MuseumSide {
  /** Whether the bug was seen. */
  readonly seen: boolean;
  /** The fault report or the finding of the scanner, in lines. */
  readonly evidence: string;
  /** The replay string of this side, for `kpkeys museum --replay`. */
  readonly replay: string;
  /** The events of the run, in lines; only with `--id`. */
  readonly trace?: readonly string[];
}

/** Both sides of an exhibit on one architecture. */
export interface MuseumSides {
  /** The run without the fix, which shows the bug. */
  readonly red: MuseumSide;
  /** The run with the fix, which does not. */
  readonly green: MuseumSide;
}

/** An exhibit, with the results of both sides on its first architecture. */
export interface MuseumExhibit extends MuseumSides {
  /** Its id. */
  readonly id: string;
  /** Its title, one line. */
  readonly title: string;
  /** The version with the bug and the version with the fix. */
  readonly series: string;
  /** The architectures that it ran on. */
  readonly arches: readonly string[];
  /** The results on each architecture, including the first. */
  readonly sides: readonly (MuseumSides & {
    /** The architecture's id. */
    readonly arch: string;
  })[];
  /** The detector of the bug; this and the following fields only with `--id`. */
  readonly detector?: Detector;
  /** The changelog or message that reports it. */
  readonly citation?: string;
  /** The mechanism. */
  readonly story?: string;
  /** The fix. */
  readonly fix?: string;
}

/** The document of `kpkeys museum --json`. */
export interface MuseumReport {
  /** The exhibits, in the order of the versions with the fix. */
  readonly exhibits: readonly MuseumExhibit[];
}

/** The document of `kpkeys museum --replay STRING --json`. */
export type MuseumReplay = Omit<SideRun, "asStated" | "facts">;

/** The run of an exhibit on an architecture. */
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
 * Whether both sides behave as the exhibit states.
 * @param run - both of its sides
 */
export function isAsStated({ red, green }: Pick<ExhibitRun, "red" | "green">): boolean {
  return red.asStated && green.asStated;
}

/**
 * @param runs - the runs; those of an exhibit are adjacent
 * @param isDetailed - whether stories and traces are included
 * @returns the document of `--json`
 */
export function museumReportOf(runs: readonly ExhibitRun[], isDetailed: boolean): MuseumReport {
  const sideOf = ({ seen, evidence, replay, trace }: SideRun): MuseumSide => ({
    seen,
    evidence,
    replay,
    ...(isDetailed && { trace }),
  });
  return {
    exhibits: [...new Set(runs.map(({ exhibit }) => exhibit))].map((exhibit) => {
      const { id, title, series, detector, citation, story, fix } = exhibit;
      const sides = runs
        .filter((run) => run.exhibit === exhibit)
        .map(({ arch, red, green }) => ({ arch, red: sideOf(red), green: sideOf(green) }));
      const { red, green } = sides[0]!;
      const arches = sides.map(({ arch }) => arch);
      return { id, title, series, arches, red, green, sides, ...(isDetailed && { detector, citation, story, fix }) };
    }),
  };
}

/** Columns of a line. */
const WIDTH = 100;
const HEAD = ["exhibit", "series", "arch", "red", "green", "detector"] as const;

/**
 * The table of the museum.
 * @param runs - the runs; those of an exhibit are adjacent
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
          `${exhibits}, ${runs.length} runs on an architecture: every red side shows its bug, and no green side does.`,
        )
      : style.red(`${wrong.length} of ${runs.length} runs do not behave as their exhibits state.`);
  const details = wrong.map(({ red, green }) => sideText(red.asStated ? green : red, style));
  const table = [style.bold(lineOf(HEAD)), ...rows.map(lineOf)].join("\n");
  const hasNext = runs.some(({ exhibit }) => seriesTitle(exhibit.series) !== exhibit.series);
  return `${[table, ...(hasNext ? [`next: ${NEXT_LABEL}`] : []), ...details, verdict].join("\n\n")}\n`;
}

/**
 * One exhibit in detail.
 * @param runs - the runs of the exhibit
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
 * One side: its events and the evidence.
 * @param run - the run of the side
 * @param style - its colours
 * @returns lines, the last without a line break
 */
export function sideText({ id, side, arch, seen, asStated, evidence, trace, replay }: SideRun, style: Style): string {
  const verdict = (asStated ? style.green : style.red)(
    `the bug is ${seen ? "seen" : "not seen"}${asStated ? "" : ", contrary to the exhibit"}`,
  );
  return [
    `${style.bold(`${id}, ${side}, ${arch}`)}: ${verdict}`,
    ...indented(trace),
    style.bold("  evidence"),
    ...indented(evidence.split("\n")),
    `  kpkeys museum --replay ${replay}`,
  ].join("\n");
}

/** Wraps long lines and keeps their indentation. */
function indented(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const margin = " ".repeat(4 + line.length - line.trimStart().length);
    return block(line.trim(), WIDTH - margin.length).map((part) => margin + part);
  });
}

function block(text: string, width: number): string[] {
  return wrapped(text.split(" "), width);
}
