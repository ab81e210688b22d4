import { seriesTitle } from "@kpkeys/scenarios";
import type { RunReport, TraceReport } from "@kpkeys/workloads/report";
import { count, counted } from "./style.js";
import type { Style } from "./style.js";
import { wrapped } from "./wrap.js";

/** The share of lines that no tool's text has without damage. */
const UNREADABLE_SHARE = 0.05;

/** Columns that a list is indented by. */
const INDENT = "  ";

/**
 * Paragraphs above the tables: what must be known before their numbers are read.
 * @param report - what was found out
 * @param style - its colours
 * @param width - characters of a line
 */
export function warningsOf(report: RunReport, style: Style, width: number): string[] {
  const warnings = damageOf(report.trace).flatMap((line) => wrapped(`Warning: ${line}`.split(" "), width));
  const missing = missingOf(report).flatMap((line) => wrapped(line.split(" "), width - INDENT.length));
  return [
    ...(warnings.length === 0 ? [] : [style.yellow(warnings.join("\n"))]),
    ...(missing.length === 0
      ? []
      : [["What is missing from the trace:", ...missing.map((line) => INDENT + line)].join("\n")]),
  ];
}

/** Signs that the recording is damaged or is not what it was taken for. */
function damageOf({ lines, unreadable, backwards, lost }: TraceReport): string[] {
  const share = unreadable / lines;
  return [
    ...(share > UNREADABLE_SHARE
      ? [`${count(Math.round(100 * share))} % of the lines (${count(unreadable)} of ${count(lines)}) cannot be read`]
      : []),
    ...(backwards > 0
      ? [
          `times run backwards at ${counted(backwards, "event")}: the order of the events is not that in which they happened`,
        ]
      : []),
    ...(lost > 0 ? [`perf lost ${counted(lost, "event")}: what they did is not in the model`] : []),
  ];
}

/** What the recording lacks, cannot show, or has in a form that cannot be carried out. */
function missingOf({ trace, arches }: RunReport): string[] {
  const { lacks, limits } = trace;
  const reasons = new Set(lacks.map(({ reason }) => reason));
  return [
    ...lacks.map(({ reason, remedy }) => `${reason}: ${remedy}`),
    ...limits.filter((limit) => !reasons.has(limit)),
    ...refusedLines({ trace, arches }),
  ];
}

/** System calls refused: once where all machines refused as many. */
function refusedLines({ trace, arches }: Pick<RunReport, "trace" | "arches">): string[] {
  const text = (refused: number): string =>
    `${counted(refused, "system call")} that Linux carried out cannot be carried out as recorded`;
  if (trace.refused !== null) return trace.refused > 0 ? [text(trace.refused)] : [];
  return arches.flatMap(({ arch, series, refused }) =>
    refused === null || refused === 0 ? [] : [`${arch}, series ${seriesTitle(series)}: ${text(refused)}`],
  );
}
