import { seriesTitle } from "@kpkeys/scenarios";
import type { RunReport, TraceReport } from "@kpkeys/workloads/report";
import { count, counted } from "./style.js";
import type { Style } from "./style.js";
import { wrapped } from "./wrap.js";

/** The largest share of unreadable lines in an undamaged recording. */
const UNREADABLE_SHARE = 0.05;

/** Indentation of a list. */
const INDENT = "  ";

/**
 * The paragraphs above the tables: reasons why the numbers may be wrong or incomplete.
 * @param report - the report
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
      : [["Missing from the recording:", ...missing.map((line) => INDENT + line)].join("\n")]),
  ];
}

/** Signs that the recording is damaged or has another format. */
function damageOf({ lines, unreadable, backwards, lost }: TraceReport): string[] {
  const share = unreadable / lines;
  return [
    ...(share > UNREADABLE_SHARE
      ? [`${count(Math.round(100 * share))} % of the lines (${count(unreadable)} of ${count(lines)}) cannot be read`]
      : []),
    ...(backwards > 0
      ? [
          `times run backwards at ${counted(backwards, "event")}: the events are not in the order in which they happened`,
        ]
      : []),
    ...(lost > 0 ? [`perf lost ${counted(lost, "event")}: the model does not have their effects`] : []),
  ];
}

/** Events that the recording lacks, facts that it cannot contain, and system calls that fail in the model. */
function missingOf({ trace, arches }: RunReport): string[] {
  const { lacks, limits } = trace;
  const reasons = new Set(lacks.map(({ reason }) => reason));
  return [
    ...lacks.map(({ reason, remedy }) => `${reason}: ${remedy}`),
    ...limits.filter((limit) => !reasons.has(limit)),
    ...refusedLines({ trace, arches }),
  ];
}

/** Refused system calls: one line if all machines refused the same number. */
function refusedLines({ trace, arches }: Pick<RunReport, "trace" | "arches">): string[] {
  const text = (refused: number): string =>
    `${counted(refused, "system call")} that succeeded on Linux failed in the model`;
  if (trace.refused !== null) return trace.refused > 0 ? [text(trace.refused)] : [];
  return arches.flatMap(({ arch, series, refused }) =>
    refused === null || refused === 0 ? [] : [`${arch}, series ${seriesTitle(series)}: ${text(refused)}`],
  );
}
