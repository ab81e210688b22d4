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
 * What stands below the table: paragraphs about what is not as it should be, and the verdict.
 * @param report - what was found out
 * @param style - its colours
 * @param more - commands that say more
 */
export function notesOf(report: RunReport, style: Style, more: More): string[] {
  const { trace, arches } = report;
  const unused = Object.entries(trace.unused).map(([kind, lines]) => `${count(lines)} ${kind}`);
  return [
    ...gapNotes(arches),
    ...listed("Table pages below the top level that Linux had otherwise", differenceLines(arches)),
    ...listed("Lines of the trace that were not used", unused),
    ...estimateNotes(arches, more.estimate, style),
    speedNote(arches),
    ...partialNote(report, style),
    verdictText(arches, style, unknownOf(report)),
  ];
}

/** How fast the simulator was, which says nothing of the kernel that it models. */
function speedNote(arches: readonly ArchReport[]): string {
  const speeds = arches.flatMap(({ policies }) => Object.values(policies).map((policy) => policy.eventsPerSecond));
  const [slowest, fastest] = [Math.min(...speeds), Math.max(...speeds)].map(count);
  return `Speed of the simulator: ${slowest === fastest ? slowest! : `${slowest!} to ${fastest!}`} events a second.`;
}

/** What is missing in a report that was interrupted. */
function partialNote({ partial, notRun }: RunReport, style: Style): string[] {
  if (!partial) return [];
  const machines = notRun.map(({ arch, series, policy }) => `${arch} ${policy}, series ${seriesTitle(series)}`);
  const missing = machines.length === 0 ? "" : ` Not begun: ${machines.join("; ")}.`;
  return [style.yellow(`Partial: interrupted before the end.${missing}`)];
}

/**
 * What is open where something was promised, the documented apart.
 * @param machines - what was checked
 */
export function gapNotes(machines: readonly (Checked & Gapped)[]): string[] {
  const hardened = machines.filter(isHardened);
  return [
    ...listed("Open, as the series documents", gapLines(hardened, true)),
    ...listed("Open", gapLines(hardened, false)),
  ];
}

/** A paragraph, if there is anything to tell. */
function listed(heading: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [[`${heading}:`, ...lines.map((line) => `  ${line}`)].join("\n")];
}

/** Differences from Linux; what all architectures share is said once. */
function differenceLines(arches: readonly ArchReport[]): string[] {
  const archesByLine = new Map<string, string[]>();
  for (const { arch, series, linux } of arches) {
    for (const { pid, name, model, kernel, why } of linux?.differences ?? []) {
      const line = `${pid} ${name}: ${model}, Linux ${kernel}: ${why}`;
      archesByLine.set(line, [...(archesByLine.get(line) ?? []), `${arch} ${seriesTitle(series)}`]);
    }
  }
  return [...archesByLine].map(([line, those]) =>
    those.length === arches.length ? line : `${line}; on ${those.join(", ")}`,
  );
}

/**
 * The verdict in its colour; the last line is what is not known, if there is anything.
 * @param machines - what was checked
 * @param style - the colours
 * @param unknown - what is not known
 */
export function verdictText(machines: readonly Checked[], style: Style, unknown: Unknown = NOTHING): string {
  const { good, text } = verdictOf(machines);
  const verdict = good === undefined ? style.yellow(text) : good ? style.green(text) : style.red(text);
  if (unknown.subjects.length === 0) return verdict;
  const lacking = unknown.lacks.map(({ kind }) => kind.replaceAll("-", " ")).join(", ");
  const lines = style.yellow(`The recording lacks ${lacking}.\nNot known: ${unknown.subjects.join(", ")}.`);
  return good === true ? lines : `${verdict}\n${lines}`;
}
