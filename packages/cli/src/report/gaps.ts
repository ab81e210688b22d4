import { hex } from "@kpkeys/core";
import { seriesTitle } from "@kpkeys/scenarios";
import type { AttackReport, CheckReport, CoverageReport, Documented, Known } from "@kpkeys/workloads/report";
import { count, counted } from "./style.js";

/** A machine of which gaps are told. */
export interface Gapped {
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: string;
  /** Table pages without protection, if that was looked at. */
  readonly coverage?: CoverageReport;
  /** Stores that went through, if any were made. */
  readonly attack?: AttackReport | null;
  /** What was open during the replay, if anybody looked. */
  readonly check?: CheckReport | null;
}

/** Where something is open. */
interface Place extends Documented {
  readonly source: string;
  readonly level: string;
  readonly mapping: "linear" | "other";
  readonly address: string;
}

/** Pages and stores of one source, level and mapping. */
interface Gap extends Documented {
  readonly place: string;
  readonly address: string;
  readonly counts: string[];
}

/**
 * Lines about what is open in machines; what several versions of the series have alike is said once.
 * @param machines - the machines
 * @param documented - whether of the gaps that their series document, or of the others
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
  function note(found: Place, told: string): void {
    const place = placeOf(found);
    const gap = gaps.get(place);
    if (gap !== undefined) gap.counts.push(told);
    else gaps.set(place, { ...found, place, counts: [told] });
  }
  for (const gap of coverage?.gaps ?? [])
    note(gap, `${numberOf(gap.pages, gap.level === "object" ? "object" : "page")} open`);
  for (const gap of attack?.gaps ?? []) note(gap, `${numberOf(gap.stores, "store")} through`);
  for (const gap of check?.gaps ?? []) {
    // What is documented and still open needs no word of when it began.
    if (!gap.documented || !gaps.has(placeOf(gap))) note(gap, seenText(gap));
  }
  return [...gaps.values()]
    .filter((gap) => gap.documented === documented)
    .map(({ place, address, counts }) => `${place}, first at ${address}: ${counts.join(", ")}`);
}

/** How many there are, as far as that is known. */
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
