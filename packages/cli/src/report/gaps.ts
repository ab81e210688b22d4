import type { AttackReport, CoverageReport, Documented } from "./document.js";
import { counted } from "./style.js";

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
}

/** Pages and stores of one source, level and mapping. */
interface Gap extends Documented {
  readonly place: string;
  readonly address: string;
  readonly counts: string[];
}

/**
 * Lines about what is open in a machine.
 * @param machine - the machine
 * @param documented - whether of the gaps that its series documents, or of the others
 */
export function gapLines({ arch, series, coverage, attack }: Gapped, documented: boolean): string[] {
  const gaps = new Map<string, Gap>();
  function note(found: CoverageReport["gaps"][0] | AttackReport["gaps"][0], count: string): void {
    const place = `${found.source} ${found.level} by ${found.mapping === "linear" ? "the linear map" : "another mapping"}`;
    const gap = gaps.get(place);
    if (gap !== undefined) gap.counts.push(count);
    else gaps.set(place, { ...found, place, counts: [count] });
  }
  for (const gap of coverage?.gaps ?? []) note(gap, `${counted(gap.pages, "page")} open`);
  for (const gap of attack?.gaps ?? []) note(gap, `${counted(gap.stores, "store")} through`);
  return [...gaps.values()]
    .filter((gap) => gap.documented === documented)
    .map(({ place, address, counts }) => `${arch} ${series}: ${place}, first at ${address}: ${counts.join(", ")}`);
}
