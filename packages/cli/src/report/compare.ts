import type { Policy } from "@kpkeys/scenarios";
import type { ArchReport, PolicyReport } from "@kpkeys/workloads/report";
import { hasLoads } from "./gaps.js";
import { hasFailures } from "./kunit.js";
import { moreRows, NO_MORE } from "./more.js";
import type { More } from "./more.js";
import { costRowsOf, COSTS, linearMapRows } from "./rows.js";
import { count, NOT_KNOWN } from "./style.js";
import type { Style } from "./style.js";
import { groupsIn, layOut, NARROW } from "./table.js";
import type { Row } from "./table.js";

/**
 * Versions of the series side by side: a column for each architecture and version, in as many tables as the width requires.
 * @param arches - the results, in the order of the columns
 * @param style - the colours
 * @param width - characters of a line
 * @param more - commands with more details, for the last table
 * @returns the tables
 */
export function compare(arches: readonly ArchReport[], style: Style, width: number, more: More): string[] {
  const fitting = groupsIn(NARROW, width);
  const groups = groupsOf(arches, fitting);
  return groups.map((columns, at) => tableOf(columns, style, at === groups.length - 1 ? more : NO_MORE));
}

/** The columns of each table: one table if they fit. Otherwise each architecture has as few tables as possible, of about equal width. */
function groupsOf(arches: readonly ArchReport[], fitting: number): ArchReport[][] {
  if (arches.length <= fitting) return [[...arches]];
  const names = [...new Set(arches.map(({ arch }) => arch))];
  return names.flatMap((name) => {
    const columns = arches.filter(({ arch }) => arch === name);
    const size = Math.ceil(columns.length / Math.ceil(columns.length / fitting));
    return Array.from({ length: Math.ceil(columns.length / size) }, (_, at) =>
      columns.slice(at * size, (at + 1) * size),
    );
  });
}

function tableOf(columns: readonly ArchReport[], style: Style, more: More): string {
  const row = (label: string, cell: (column: ArchReport) => string): Row => [label, ...columns.map(cell)];
  const section = (name: string): Row => row(style.bold(name), () => "");
  return layOut(
    ["series", ...columns.map(({ series }) => style.bold(series))],
    [
      row("architecture", ({ arch }) => arch),
      [""],
      section("table pages"),
      row("  all", ({ coverage }) => count(coverage.pages)),
      row("  keyed", ({ coverage }) => count(coverage.keyed)),
      row("  read-only", ({ coverage }) => count(coverage.readOnly)),
      row("  open, documented", ({ coverage }) => openText(coverage, true, style.yellow)),
      row("  open", ({ coverage }) => openText(coverage, false, style.red)),
      ...(columns.some(({ check }) => check !== null)
        ? [row("  open in the replay", ({ check }) => checkText(check, style))]
        : []),
      section("linear map"),
      ...linearMapRows(row, columns),
      section("attacks"),
      row("  tried", ({ attack }) => (attack === null ? "not run" : count(attack.tried))),
      row("  blocked", ({ attack }) => (attack === null ? "" : count(attack.blocked))),
      ...(columns.some(hasLoads)
        ? [row("  loads blocked", ({ attack }) => (attack === null ? "" : count(attack.loads.blocked)))]
        : []),
      section("KUnit"),
      row("  passed", ({ kunit }) => (kunit === null ? "not run" : count(kunit.passed))),
      row("  failed", (column) => failedText(column, style)),
      ...moreRows(more.protection, style),
      ...costRowsOf(columns).flatMap(([label, field]) => [
        section(label),
        ...policyRows(columns, (costs) => count(costs[field])),
      ]),
      section("system time added, %"),
      ...policyRows(columns, ({ overhead }) => overhead?.percent.toFixed(1) ?? ""),
      ...moreRows(more.cost, style),
      section("cost of boot"),
      ...COSTS.flatMap(([label, field]) => [
        row(`  ${label}`, () => ""),
        ...policyRows(columns, ({ boot }) => count(boot[field]), "    "),
      ]),
      section("agreement with Linux"),
      row("  processes", ({ linux }) => (linux === null ? "" : count(linux.processes))),
      row("  agree", ({ linux }) => (linux === null ? "not known" : count(linux.equal))),
      ...moreRows(more.linux, style),
    ],
    NARROW,
  );
}

/** A row for each policy that any column has. */
function policyRows(columns: readonly ArchReport[], cell: (costs: PolicyReport) => string, indent = "  "): Row[] {
  const policies = [...new Set(columns.flatMap((column) => Object.keys(column.policies) as Policy[]))];
  return policies.map((policy): Row => {
    const cells = columns.map((column) => {
      const costs = column.policies[policy];
      return costs === undefined ? "" : cell(costs);
    });
    return [indent + policy, ...cells];
  });
}

function openText(
  { gaps, pages: known }: ArchReport["coverage"],
  documented: boolean,
  colour: (text: string) => string,
): string {
  const open = gaps.filter((gap) => gap.documented === documented);
  if (open.length === 0) return known === null ? NOT_KNOWN : "none";
  const pages = open.reduce((sum, gap) => sum + (gap.pages ?? 0), 0);
  return colour(`${count(pages)}${known === null ? "+" : ""}`);
}

function checkText(check: ArchReport["check"], style: Style): string {
  if (check === null) return "";
  const { gaps, open } = check;
  if (gaps.length === 0) return open === null ? NOT_KNOWN : "none";
  return gaps.every(({ documented }) => documented) ? style.yellow("documented") : style.red("yes");
}

function failedText({ kunit }: ArchReport, style: Style): string {
  if (kunit === null) return "";
  return hasFailures(kunit) ? style.red(count(kunit.failed)) : count(0);
}
