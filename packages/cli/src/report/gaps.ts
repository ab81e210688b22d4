import { hex } from "@kpkeys/core";
import { seriesTitle } from "@kpkeys/scenarios";
import type { AttackReport, CheckReport, CoverageReport, Documented, Known } from "@kpkeys/workloads/report";
import { count, counted } from "./style.js";

/** A machine whose gaps are reported. */
export interface Gapped {
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: string;
  /** Coverage, if it was checked. */
  readonly coverage?: CoverageReport;
  /** The results of attacks, if they were run. */
  readonly attack?: AttackReport | null;
  /** The audit during the replay, if it was on. */
  readonly check?: CheckReport | null;
}

/** A place that is open. */
interface Place extends Documented {
  readonly source: string;
  readonly level: string;
  readonly mapping: "linear" | "other";
  readonly address: string;
}

/**
 * Whether loads were among the attacks of a machine, or it is not known how many: if a feature withholds reads.
 * @param machine - the machine
 */
export function hasLoads({ attack }: Pick<Gapped, "attack">): boolean {
  return attack != null && attack.loads.tried !== 0;
}

/** The accesses for which a gap is open, unless it is open for writes alone. */
const FOR = { write: "", read: " for reads", "read-write": " for reads and writes" } as const;

/** Pages and accesses of one source, level and mapping. */
interface Gap extends Documented {
  readonly place: string;
  readonly address: string;
  readonly counts: string[];
}

/**
 * Lines about the gaps of machines. A gap that several versions of the series share is printed once.
 * @param machines - the machines
 * @param documented - true for the gaps that the series documents, false for the others
 */
export function gapLines(machines: readonly Gapped[], documented: boolean): string[] {
  const seriesByLine = new Map<string, { readonly arch: string; readonly line: string; readonly series: string[] }>();
  for (const machine of machines) {
    const { arch, series } = machine;
    for (const line of gapsOf(machine, documented)) {
      const known = seriesByLine.get(`${arch} ${line}`);
      if (known !== undefined) known.series.push(series);
      else seriesByLine.set(`${arch} ${line}`, { arch, line, series: [series] });
    }
  }
  return [...seriesByLine.values()].map(
    ({ arch, line, series }) => `${arch} ${series.map(seriesTitle).join(" ")}: ${line}`,
  );
}

function gapsOf({ coverage, attack, check }: Gapped, documented: boolean): string[] {
  const gaps = new Map<string, Gap>();
  function note(found: Place, text: string): void {
    const place = placeOf(found);
    const gap = gaps.get(place);
    if (gap !== undefined) gap.counts.push(text);
    else gaps.set(place, { ...found, place, counts: [text] });
  }
  for (const gap of coverage?.gaps ?? [])
    note(gap, `${numberOf(gap.pages, gap.level === "object" ? "object" : "page")} open${FOR[gap.open]}`);
  for (const gap of attack?.gaps ?? []) note(gap, `${accessesOf(gap)} through`);
  for (const gap of check?.gaps ?? []) {
    // For a documented gap that is still open, the time when it was first seen is not printed.
    if (!gap.documented || !gaps.has(placeOf(gap))) note(gap, seenText(gap));
  }
  return [...gaps.values()]
    .filter((gap) => gap.documented === documented)
    .map(({ place, address, counts }) => `${place}, first at ${address}: ${counts.join(", ")}`);
}

/** Stores and loads that succeeded; a kind without accesses is left out. */
function accessesOf({ stores, loads }: AttackReport["gaps"][0]): string {
  const kinds = [
    ...(stores === 0 ? [] : [numberOf(stores, "store")]),
    ...(loads === 0 ? [] : [numberOf(loads, "load")]),
  ];
  return kinds.join(" and ");
}

/** A count with its noun, or the noun alone if the count is not known. */
function numberOf(value: Known, noun: string): string {
  return value === null ? `${noun}s` : counted(value, noun);
}

function placeOf({ source, level, mapping }: Place): string {
  return `${source} ${level} by ${mapping === "linear" ? "the linear map" : "another mapping"}`;
}

function seenText({ line, table }: CheckReport["gaps"][0]): string {
  const when = line === 0 ? "before the first event" : `after line ${count(line)} of the trace`;
  return `seen ${when} at table page ${hex(table)}`;
}
