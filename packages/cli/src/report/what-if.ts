import type { WhatIfRow } from "../overhead/what-if.js";
import { count } from "./style.js";
import type { Style } from "./style.js";
import { layOut } from "./table.js";
import type { Row } from "./table.js";

/** The document of `kpkeys overhead --what-if --json`. */
export interface WhatIfReport {
  /** The name of the recording. */
  readonly trace: string;
  /** A row for each architecture and variant. */
  readonly whatIf: readonly WhatIfRow[];
}

/** Four columns of cost and four of exposure. */
const SHAPE = { columns: 4, label: 26, column: 8 };

const COST = ["switches", "changes", "flushes", "added"];
const EXPOSURE = ["windows", "longest", "reads", "handlers"];

/**
 * Cost and exposure as text, a table for each architecture.
 * @param report - the report
 * @param style - the colours
 */
export function whatIfTextOf({ trace, whatIf }: WhatIfReport, style: Style): string {
  const arches = [...new Set(whatIf.map(({ arch }) => arch))];
  const bases = new Set(whatIf.flatMap(({ overhead }) => (overhead === null ? [] : [overhead.basis])));
  const tables = arches.map((arch) => {
    const rows = whatIf.filter((row) => row.arch === arch);
    return layOut(
      [arch, "cost", "exposure"],
      [
        [style.bold("guard placement"), COST, EXPOSURE],
        ...rows.map((row): Row => [`  ${row.variant}`, costOf(row), exposureOf(row)]),
      ],
      SHAPE,
    );
  });
  return (
    [style.bold(`Cost and exposure of guard placements, on ${trace}`), ...tables, LEGEND, ...basesText(bases)].join(
      "\n\n",
    ) + "\n"
  );
}

function costOf({ registerWrites, linearMapChanges, tlbInvalidations, overhead }: WhatIfRow): string[] {
  const counts = [registerWrites, linearMapChanges, tlbInvalidations].map(short);
  return [...counts, overhead === null ? "-" : percent(overhead.percent)];
}

function exposureOf({ exposure, writers, privilegedHandlers }: WhatIfRow): string[] {
  const { windows, longest, reads } = exposure;
  return [...[windows * writers, longest, reads].map(short), percent(privilegedHandlers)];
}

/** Formats a count for a narrow column: in thousands from a million on. */
function short(value: number): string {
  return value < 1e6 ? count(value) : `${count(Math.round(value / 1000))}k`;
}

function percent(value: number): string {
  return `${value.toFixed(1)} %`;
}

const LEGEND = `switches  writes of the key register             windows   times that table pages were writable, summed over CPUs
changes   of pages of the linear map             longest   most entries read or written in one window
flushes   TLB invalidations, summed over CPUs    reads     entries that were only read in windows
added     estimated system time, where known     handlers  interrupt handlers that would run in a window
A key opens a window for one CPU. Mapped leaf tables are writable on every CPU, and nothing else is protected.`;

function basesText(bases: ReadonlySet<string>): string[] {
  return [...bases].map((basis) => `System time added: ${basis}.`);
}
