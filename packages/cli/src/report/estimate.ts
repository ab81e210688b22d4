import type { Policy } from "@kpkeys/scenarios";
import type { ArchReport, PolicyReport, RunReport } from "@kpkeys/workloads/report";
import { moreRows } from "./more.js";
import { count } from "./style.js";
import type { Style } from "./style.js";
import type { GroupCells, Row } from "./table.js";
import { isUnknown } from "@kpkeys/workloads/report";

/** The reports of the policies of an architecture, in their order. */
function policiesOf({ policies }: ArchReport): PolicyReport[] {
  return (Object.keys(policies) as Policy[]).map((policy) => policies[policy]!);
}

/**
 * Rows of the estimated system time of the hardening; none without an estimate.
 * @param row - makes a row of the table
 * @param report - the report
 */
export function estimateRows(
  row: (label: string, cells: (arch: ArchReport) => GroupCells) => Row,
  report: RunReport,
): Row[] {
  const policies = report.arches.flatMap(policiesOf);
  const unknown = isUnknown(report, "arches.*.policies.*.overhead");
  const percent = unknown || policies.some(({ overhead }) => overhead !== null);
  const cycles = policies.some(({ wrmsrCycles }) => wrmsrCycles !== null);
  return [
    ...(percent ? [row("  system time added, %", percents), ...(unknown ? [] : [row("    range, %", ranges)])] : []),
    ...(cycles ? [row("  cycles of WRMSR, stated", cyclesText)] : []),
  ];
}

function percents(arch: ArchReport): GroupCells {
  const cells = policiesOf(arch).map(({ overhead }) => overhead?.percent.toFixed(1) ?? "");
  return cells.every((cell) => cell === "") ? "not known" : cells;
}

function ranges(arch: ArchReport): GroupCells {
  return policiesOf(arch).map(({ overhead }) =>
    overhead === null ? "" : `${overhead.low.toFixed(1)}–${overhead.high.toFixed(1)}`,
  );
}

function cyclesText(arch: ArchReport): GroupCells {
  return policiesOf(arch).map(({ wrmsrCycles }) => (wrmsrCycles === null ? "" : count(wrmsrCycles)));
}

/**
 * One paragraph about the estimates, with a sentence for each basis.
 * @param arches - the columns
 * @param more - commands with more details
 * @param style - the colours
 */
export function estimateNotes(arches: readonly ArchReport[], more: readonly string[], style: Style): string[] {
  const notes = arches.flatMap((arch) =>
    policiesOf(arch).flatMap(({ overhead }) =>
      overhead === null ? [] : [`System time added on ${arch.arch}: ${overhead.basis}.`],
    ),
  );
  if (notes.length === 0) return [];
  return [[...new Set(notes), ...moreRows(more, style).flat()].join("\n")];
}
