import type { KunitCounts } from "@kpkeys/kunit-suite";
import { seriesTitle } from "@kpkeys/scenarios";
import type { Policy } from "@kpkeys/scenarios";
import { compare } from "./compare.js";
import type {
  ArchReport,
  AttackReport,
  CheckReport,
  CoverageReport,
  Known,
  PageCounts,
  PolicyReport,
  RunReport,
} from "@kpkeys/workloads/report";
import { estimateRows } from "./estimate.js";
import { hasLoads } from "./gaps.js";
import { moreRows, NO_MORE } from "./more.js";
import type { More } from "./more.js";
import { notesOf } from "./notes.js";
import { costRowsOf, COSTS, linearMapRows } from "./rows.js";
import { count, counted, NOT_KNOWN } from "./style.js";
import type { Style } from "./style.js";
import { layOut } from "./table.js";
import type { GroupCells, Row } from "./table.js";
import { isUnknown } from "@kpkeys/workloads/report";
import { warningsOf } from "./warnings.js";

/**
 * The report as text: one version of the series in detail, several versions side by side.
 * @param report - the report
 * @param style - its colours
 * @param width - characters of a line
 * @param more - commands with more details, printed below the block that they belong to
 * @returns lines, the last with its line break
 */
export function textOf(report: RunReport, style: Style, width = 100, more: More = NO_MORE): string {
  const { trace, arches } = report;
  const processes = trace.processes === null ? "" : ` of ${counted(trace.processes, "process", "processes")}`;
  const title = `${trace.name}: ${counted(trace.events, "event")}${processes}${extentText(trace)}`;
  const series = [...new Set(arches.map((arch) => arch.series))];
  const tables = series.length > 1 ? compare(arches, style, width, more) : [tableOf(report, style, more)];
  const head = `${style.bold(title)}\nSeries ${series.map(seriesTitle).join(", ")}`;
  return [head, ...warningsOf(report, style, width), ...tables, ...notesOf(report, style, more)].join("\n\n") + "\n";
}

/** The part of a recording that was replayed, if not all of it. */
function extentText({ until, sample }: RunReport["trace"]): string {
  const end = until === null ? "" : "events" in until ? ", the first ones" : `, the first ${until.seconds} s`;
  if (sample === null) return end;
  const programs = counted(sample.met, "program");
  return `${end}; sample: ${count(sample.taken)} of ${programs}, ${counted(sample.events, "event")}`;
}

/** One table for a single version of the series, with a group of columns for each architecture. */
function tableOf(report: RunReport, style: Style, more: More): string {
  const { arches } = report;
  const row = (label: string, cells: (arch: ArchReport) => GroupCells): Row => [label, ...arches.map(cells)];
  const section = (name: string, ...columns: string[]): Row => row(style.bold(name), () => columns);
  return layOut(
    ["", ...arches.map(({ arch }) => arch)],
    [
      section("table pages by source", "pages", "keyed", "read-only"),
      ...namesOf(arches, "bySource").map((name) =>
        row(`  ${name}`, (arch) => pagesOf(countsOf(arch, "bySource")[name])),
      ),
      section("by level"),
      ...namesOf(arches, "byLevel").map((name) => row(`  ${name}`, (arch) => pagesOf(countsOf(arch, "byLevel")[name]))),
      row(style.bold("all"), ({ coverage }) => pagesOf(coverage)),
      ...moreRows(more.coverage, style),
      ...objectRows(section, row, arches),
      [""],
      section("linear map"),
      ...linearMapRows(row, arches),
      [""],
      section("protection"),
      row("  open pages", ({ coverage }) => openText(coverage, style)),
      row("  open during the replay", ({ check }) => checkText(check, style)),
      row("  attacks blocked", ({ attack }) => attackText(attack, style)),
      ...loadRows(row, arches),
      row("  KUnit", ({ kunit }) => kunitText(kunit, style)),
      ...moreRows(more.protection, style),
      [""],
      row(style.bold("cost of the replay"), ({ policies }) => Object.keys(policies)),
      ...costRowsOf(arches).map(([label, field]) =>
        row(`  ${label}`, (arch) => costsOf(arch, (costs) => costs[field])),
      ),
      ...estimateRows(row, report),
      ...moreRows(more.cost, style),
      row(style.bold("cost of boot"), ({ policies }) => Object.keys(policies)),
      ...COSTS.map(([label, field]) => row(`  ${label}`, (arch) => costsOf(arch, ({ boot }) => boot[field]))),
      [""],
      section("agreement with Linux"),
      row("  processes that agree", ({ linux }) =>
        linux === null
          ? isUnknown(report, "arches.*.linux")
            ? NOT_KNOWN
            : "not compared"
          : share(linux.equal, linux.processes),
      ),
      ...LINUX_ROWS.map(([label, field]) => row(`  ${label}`, (arch) => count(arch[field]))),
      ...moreRows(more.linux, style),
    ],
  );
}

/** Rows of the objects that features protect, if there are any. */
function objectRows(
  section: (name: string, ...columns: string[]) => Row,
  row: (label: string, cells: (arch: ArchReport) => GroupCells) => Row,
  arches: readonly ArchReport[],
): Row[] {
  const names = [...new Set(arches.flatMap(({ coverage }) => Object.keys(coverage.objects)))];
  if (names.length === 0) return [];
  const cells = ({ coverage }: ArchReport, name: string): GroupCells => {
    const { objects = 0, keyed = 0, readOnly = 0 } = coverage.objects[name] ?? {};
    return [objects, keyed, readOnly].map(count);
  };
  return [
    [""],
    section("protected objects", "objects", "keyed", "read-only"),
    ...names.map((name) => row(`  ${name}`, (arch) => cells(arch, name))),
  ];
}

function openText({ gaps, pages: known }: CoverageReport, style: Style): string {
  const sum = (of: typeof gaps): number => of.reduce((total, gap) => total + (gap.pages ?? 0), 0);
  const documented = gaps.filter((gap) => gap.documented);
  if (gaps.length === 0) return known === null ? style.yellow(NOT_KNOWN) : style.green("none");
  const all = `${count(sum(gaps))}${known === null ? " or more" : ""}`;
  if (documented.length === 0) return style.red(all);
  const colour = documented.length === gaps.length ? style.yellow : style.red;
  return colour(`${all}, of which ${count(sum(documented))} documented`);
}

function checkText(check: CheckReport | null, style: Style): string {
  if (check === null) return "not checked";
  const { scans, gaps, open } = check;
  if (gaps.length === 0 && open === null) return style.yellow(NOT_KNOWN);
  if (gaps.length === 0) return style.green(`none in ${counted(scans, "scan")}`);
  const documented = gaps.every((gap) => gap.documented);
  return (documented ? style.yellow : style.red)(`${documented ? "documented" : "yes"} in ${counted(scans, "scan")}`);
}

function attackText(attack: AttackReport | null, style: Style): string {
  if (attack === null) return "not run";
  const { tried, blocked, gaps } = attack;
  const colour =
    gaps.length === 0
      ? tried === null
        ? style.yellow
        : style.green
      : gaps.every((gap) => gap.documented)
        ? style.yellow
        : style.red;
  return colour(share(blocked, tried));
}

/** The row of loads, if there are objects whose reads are withheld. */
function loadRows(
  row: (label: string, cells: (arch: ArchReport) => GroupCells) => Row,
  arches: readonly ArchReport[],
): Row[] {
  if (!arches.some(hasLoads)) return [];
  return [
    row("  of which loads", ({ attack }) => (attack === null ? "" : share(attack.loads.blocked, attack.loads.tried))),
  ];
}

function kunitText(kunit: KunitCounts | null, style: Style): string {
  if (kunit === null) return "not run";
  const { passed, failed, skipped } = kunit;
  const colour = failed > 0 ? style.red : passed > 0 ? style.green : style.yellow;
  return colour(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}

function share(part: Known, whole: Known): string {
  return part === null ? NOT_KNOWN : `${count(part)} of ${count(whole)}`;
}

const LINUX_ROWS = [
  ["faults already mapped", "alreadyMapped"],
  ["mappings inferred", "inferredMappings"],
  ["faults unexplained", "unexplainedFaults"],
  ["calls refused", "refused"],
] as const;

/** The sources or levels for which an architecture has table pages, in their order. */
function namesOf(arches: readonly ArchReport[], kind: "bySource" | "byLevel"): string[] {
  const names = new Set(arches.flatMap((arch) => Object.keys(countsOf(arch, kind))));
  return [...names].filter((name) => arches.some((arch) => hasPages(countsOf(arch, kind)[name])));
}

/** Whether there are pages, or their number is not known. */
function hasPages(counts: PageCounts | undefined): boolean {
  return counts !== undefined && counts.pages !== 0;
}

function countsOf({ coverage }: ArchReport, kind: "bySource" | "byLevel"): Readonly<Record<string, PageCounts>> {
  return coverage[kind];
}

function pagesOf(counts: PageCounts | undefined): string[] {
  return counts === undefined ? [] : [counts.pages, counts.keyed, counts.readOnly].map(count);
}

function costsOf({ policies }: ArchReport, cost: (policy: PolicyReport) => Known): string[] {
  return (Object.keys(policies) as Policy[]).map((policy) => count(cost(policies[policy]!)));
}
