import type { KunitCounts } from "@kpkeys/kunit-suite";
import { seriesTitle } from "@kpkeys/scenarios";
import type { Policy } from "@kpkeys/scenarios";
import type { AttackReport, CheckReport, CoverageReport } from "@kpkeys/workloads/report";
import { hasFailures } from "./kunit.js";

/** What is judged: a machine with what was checked in it. */
export interface Checked {
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: string;
  /** Whether its CPUs have kernel pkeys. */
  readonly pkeys: boolean;
  /** Its policy. */
  readonly checked: Policy;
  /** What is protected, if that was looked at. */
  readonly coverage?: CoverageReport;
  /** What attacks came to, if they were made. */
  readonly attack?: AttackReport | null;
  /** KUnit, if it was run. */
  readonly kunit?: KunitCounts | null;
  /** What was seen during the replay, if anybody looked. */
  readonly check?: CheckReport | null;
}

/**
 * Whether a machine promises anything: its CPUs have kernel pkeys, and its policy uses them.
 * @param machine - the machine
 */
export function isHardened({ pkeys, checked }: Pick<Checked, "pkeys" | "checked">): boolean {
  return pkeys && checked !== "off";
}

/**
 * Judges a machine: what is open must be documented, what is tested must pass. A machine without pkeys or without the hardening
 * promises nothing and cannot fail.
 * @param machine - the machine with what was checked in it
 * @returns a sentence for each failure
 */
export function failuresOf(machine: Checked): string[] {
  if (!isHardened(machine)) return [];
  const { arch, series, coverage, attack, kunit, check } = machine;
  const where = `${arch}, series ${seriesTitle(series)}`;
  const failures: string[] = [];
  if (coverage?.gaps.some(({ documented }) => !documented) === true)
    failures.push(`${where}: ${subjectOf(coverage.gaps)} can be written without their key`);
  if (attack?.gaps.some(({ documented }) => !documented) === true) failures.push(`${where}: attacks went through`);
  if (check?.gaps.some(({ documented }) => !documented) === true)
    failures.push(`${where}: table pages could be written without their key during the replay`);
  if (kunit && hasFailures(kunit)) failures.push(`${where}: KUnit cases failed`);
  return failures;
}

function subjectOf(gaps: CoverageReport["gaps"]): string {
  return gaps.every(({ documented, level }) => documented || level === "object") ? "protected objects" : "table pages";
}

/**
 * The last line of a report: what the checks say as a whole.
 * @param machines - what was checked
 * @returns a sentence, or a line for each failure
 */
export function verdictOf(machines: readonly Checked[]): { readonly good: boolean | undefined; readonly text: string } {
  const failures = machines.flatMap(failuresOf);
  if (failures.length > 0) return { good: false, text: ["Failed:", ...failures.map((line) => `  ${line}`)].join("\n") };
  if (machines.every(({ pkeys }) => !pkeys))
    return { good: undefined, text: "These CPUs have no kernel pkeys: nothing is switched and nothing is protected." };
  if (machines.every(({ checked }) => checked === "off"))
    return { good: undefined, text: "The hardening is off: nothing is protected." };
  const open = machines.some(({ coverage, attack, check }) =>
    [coverage, attack, check].some((found) => (found?.gaps.length ?? 0) > 0),
  );
  return { good: true, text: open ? "Every check passed, the documented gaps apart." : "Every check passed." };
}
