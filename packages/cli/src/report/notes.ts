import { seriesTitle } from "@kpkeys/scenarios";
import type { ArchReport, RunReport } from "@kpkeys/workloads/report";
import { estimateNotes } from "./estimate.js";
import { gapLines } from "./gaps.js";
import type { Gapped } from "./gaps.js";
import type { More } from "./more.js";
import { count } from "./style.js";
import type { Style } from "./style.js";
import { NOTHING, unknownOf } from "@kpkeys/workloads/report";
import type { Unknown } from "@kpkeys/workloads/report";
import { isHardened, verdictOf } from "./verdict.js";
import type { Checked } from "./verdict.js";

/**
 * The paragraphs below the table: gaps, differences from Linux, notes, and the verdict.
 * @param report - the report
 * @param style - its colours
 * @param more - commands with more details
 */
export function notesOf(report: RunReport, style: Style, more: More): string[] {
  const { trace, arches } = report;
  const unused = Object.entries(trace.unused).map(([kind, lines]) => `${count(lines)} ${kind}`);
  return [
    ...gapNotes(arches),
    ...listed("Processes whose page-table count differs from Linux", differenceLines(arches)),
    ...listed("Lines of the recording that were not used", unused),
    ...estimateNotes(arches, more.estimate, style),
    speedNote(arches),
    ...partialNote(report, style),
    verdictText(arches, style, unknownOf(report)),
  ];
}

/** The speed of the simulator, which is unrelated to the speed of the modelled kernel. */
function speedNote(arches: readonly ArchReport[]): string {
  const speeds = arches.flatMap(({ policies }) => Object.values(policies).map((policy) => policy.eventsPerSecond));
  const [slowest, fastest] = [Math.min(...speeds), Math.max(...speeds)].map(count);
  return `Speed of the simulator: ${slowest === fastest ? slowest! : `${slowest!} to ${fastest!}`} events per second.`;
}

/** The machines that are missing in an interrupted report. */
function partialNote({ partial, notRun }: RunReport, style: Style): string[] {
  if (!partial) return [];
  const machines = notRun.map(({ arch, series, policy }) => `${arch} ${policy}, series ${seriesTitle(series)}`);
  const missing = machines.length === 0 ? "" : ` Not started: ${machines.join("; ")}.`;
  return [style.yellow(`Partial: interrupted before the end.${missing}`)];
}

/**
 * The gaps of hardened machines; documented gaps are listed separately.
 * @param machines - the checked machines
 */
export function gapNotes(machines: readonly (Checked & Gapped)[]): string[] {
  const hardened = machines.filter(isHardened);
  return [
    ...listed("Open, documented by the series", gapLines(hardened, true)),
    ...listed("Open", gapLines(hardened, false)),
  ];
}

/** A paragraph, if there are lines. */
function listed(heading: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [[`${heading}:`, ...lines.map((line) => `  ${line}`)].join("\n")];
}

/** Differences from Linux. A difference on all architectures is printed once. */
function differenceLines(arches: readonly ArchReport[]): string[] {
  const archesByLine = new Map<string, string[]>();
  for (const { arch, series, linux } of arches) {
    for (const { pid, name, model, kernel, why } of linux?.differences ?? []) {
      const line = `${pid} ${name}: ${model}, Linux ${kernel}: ${why}`;
      archesByLine.set(line, [...(archesByLine.get(line) ?? []), `${arch} ${seriesTitle(series)}`]);
    }
  }
  return [...archesByLine].map(([line, names]) =>
    names.length === arches.length ? line : `${line}; on ${names.join(", ")}`,
  );
}

/**
 * The verdict in its colour, followed by the facts that are not known.
 * @param machines - the checked machines
 * @param style - the colours
 * @param unknown - the facts that are not known
 */
export function verdictText(machines: readonly Checked[], style: Style, unknown: Unknown = NOTHING): string {
  const { good, text } = verdictOf(machines);
  const verdict = good === undefined ? style.yellow(text) : good ? style.green(text) : style.red(text);
  if (unknown.subjects.length === 0) return verdict;
  const lacking = unknown.lacks.map(({ kind }) => kind.replaceAll("-", " ")).join(", ");
  const lines = style.yellow(`The recording lacks ${lacking}.\nNot known: ${unknown.subjects.join(", ")}.`);
  return good === true ? lines : `${verdict}\n${lines}`;
}
