import type { WhatIfRow } from "../overhead/what-if.js";
import { count } from "./style.js";
import type { Style } from "./style.js";
import { layOut } from "./table.js";
import type { Row } from "./table.js";

/** What `kpkeys overhead --what-if --json` prints. */
export interface WhatIfReport {
  /** The recording that was replayed. */
  readonly trace: string;
  /** A row for each architecture and variant. */
  readonly whatIf: readonly WhatIfRow[];
}

/** Columns of cost, and as many of exposure. */
const SHAPE = { columns: 4, label: 26, column: 8 };

const COST = ["switches", "changes", "flushes", "added"];
const EXPOSURE = ["windows", "longest", "reads", "handlers"];

/**
 * Cost beside exposure, a table for each architecture.
 * @param report - what came of the variants
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
        [style.bold("guards placed in, or"), COST, EXPOSURE],
        ...rows.map((row): Row => [`  ${row.variant}`, costOf(row), exposureOf(row)]),
      ],
      SHAPE,
    );
  });
  return (
    [
      style.bold(`What another placement would cost and expose, on ${trace}`),
      ...tables,
      LEGEND,
      ...basesText(bases),
    ].join("\n\n") + "\n"
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

/** A count that fits into a column: thousands from a million on. */
function short(value: number): string {
  return value < 1e6 ? count(value) : `${count(Math.round(value / 1000))}k`;
}

function percent(value: number): string {
  return `${value.toFixed(1)} %`;
}

const LEGEND = `switches  writes of the key register             windows   times and CPUs for which table pages were opened
changes   of the linear map, page by page        longest   entries read or written in one window
flushes   TLB invalidations, CPU by CPU          reads     entries only read in windows
added     estimated system time, where known     handlers  of interrupts that would begin in a window and keep it
A key opens its window to one CPU. Leaf tables that are mapped are open to every CPU, and nothing else is protected.`;

function basesText(bases: ReadonlySet<string>): string[] {
  return [...bases].map((basis) => `System time added: ${basis}.`);
}
