import type { ArchReport, RunReport } from "./document.js";
import { estimateNotes } from "./estimate.js";
import { gapLines } from "./gaps.js";
import type { Gapped } from "./gaps.js";
import { count } from "./style.js";
import type { Style } from "./style.js";
import { isHardened, verdictOf } from "./verdict.js";
import type { Checked } from "./verdict.js";

/**
 * What stands below the table: paragraphs about what is not as it should be, and the verdict.
 * @param report - what was found out
 * @param style - its colours
 */
export function notesOf(report: RunReport, style: Style): string[] {
  const { trace, arches } = report;
  const unused = Object.entries(trace.unused).map(([kind, lines]) => `${count(lines)} ${kind}`);
  return [
    ...gapNotes(arches),
    ...listed("Table pages below the top level that Linux had otherwise", differenceLines(arches)),
    ...listed("Lines of the trace that were not used", unused),
    ...listed("What is missing from the trace", missingLines(trace)),
    ...estimateNotes(arches),
    ...partialNote(report, style),
    verdictText(arches, style),
  ];
}

/** What the trace lacks: by its kind, by perf's own account, and by what did not fit together. */
function missingLines({ limits, lost, refused }: RunReport["trace"]): string[] {
  return [
    ...limits,
    ...(lost > 0 ? [`${count(lost)} events that perf lost: what they did is not in the model`] : []),
    ...(refused > 0
      ? [`${count(refused)} system calls that Linux carried out cannot be carried out as they stand`]
      : []),
  ];
}

/** What is missing in a report that was interrupted. */
function partialNote({ partial, notRun }: RunReport, style: Style): string[] {
  if (!partial) return [];
  const machines = notRun.map(({ arch, series, policy }) => `${arch} ${series} ${policy}`);
  const missing = machines.length === 0 ? "" : ` Not begun: ${machines.join(", ")}.`;
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
      archesByLine.set(line, [...(archesByLine.get(line) ?? []), `${arch} ${series}`]);
    }
  }
  return [...archesByLine].map(([line, those]) =>
    those.length === arches.length ? line : `${line} (${those.join(", ")})`,
  );
}

/**
 * The verdict in its colour.
 * @param machines - what was checked
 * @param style - the colours
 */
export function verdictText(machines: readonly Checked[], style: Style): string {
  const { good, text } = verdictOf(machines);
  return good === undefined ? style.yellow(text) : good ? style.green(text) : style.red(text);
}
