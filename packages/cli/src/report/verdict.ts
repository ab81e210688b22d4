import type { KunitCounts } from "@kpkeys/kunit-suite";
import { seriesTitle } from "@kpkeys/scenarios";
import type { Policy } from "@kpkeys/scenarios";
import type { AttackReport, CheckReport, CoverageReport } from "@kpkeys/workloads/report";
import { hasFailures } from "./kunit.js";

/** A machine and the results of its checks. */
export interface Checked {
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: string;
  /** Whether its CPUs have kernel pkeys. */
  readonly pkeys: boolean;
  /** Its policy. */
  readonly checked: Policy;
  /** Coverage, if it was checked. */
  readonly coverage?: CoverageReport;
  /** The results of attacks, if they were run. */
  readonly attack?: AttackReport | null;
  /** The results of KUnit, if it was run. */
  readonly kunit?: KunitCounts | null;
  /** The audit during the replay, if it was on. */
  readonly check?: CheckReport | null;
}

/**
 * Whether the hardening of a machine is on: its CPUs have kernel pkeys, and its policy uses them.
 * @param machine - the machine
 */
export function isHardened({ pkeys, checked }: Pick<Checked, "pkeys" | "checked">): boolean {
  return pkeys && checked !== "off";
}

/**
 * Finds the failures of a machine: undocumented gaps and failed KUnit cases. A machine without pkeys or without the hardening cannot fail.
 * @param machine - the machine
 * @returns a sentence for each failure
 */
export function failuresOf(machine: Checked): string[] {
  if (!isHardened(machine)) return [];
  const { arch, series, coverage, attack, kunit, check } = machine;
  const where = `${arch}, series ${seriesTitle(series)}`;
  const failures: string[] = [];
  if (coverage?.gaps.some(({ documented }) => !documented) === true)
    failures.push(`${where}: ${subjectOf(coverage.gaps)} can be ${verbOf(coverage.gaps)} without their key`);
  if (attack?.gaps.some(({ documented }) => !documented) === true) failures.push(`${where}: attacks were not blocked`);
  if (check?.gaps.some(({ documented }) => !documented) === true)
    failures.push(`${where}: table pages could be written without their key during the replay`);
  if (kunit && hasFailures(kunit)) failures.push(`${where}: KUnit cases failed`);
  return failures;
}

function verbOf(gaps: CoverageReport["gaps"]): string {
  const open = gaps.filter(({ documented }) => !documented).map((gap) => gap.open);
  if (open.every((access) => access === "write")) return "written";
  return open.every((access) => access === "read") ? "read" : "read or written";
}

function subjectOf(gaps: CoverageReport["gaps"]): string {
  return gaps.every(({ documented, level }) => documented || level === "object") ? "protected objects" : "table pages";
}

/**
 * The last line of a report: the result of all checks.
 * @param machines - the checked machines
 * @returns whether all checks passed, undefined if nothing was hardened; and a sentence, or a line for each failure
 */
export function verdictOf(machines: readonly Checked[]): { readonly good: boolean | undefined; readonly text: string } {
  const failures = machines.flatMap(failuresOf);
  if (failures.length > 0) return { good: false, text: ["Failed:", ...failures.map((line) => `  ${line}`)].join("\n") };
  if (machines.every(({ pkeys }) => !pkeys))
    return { good: undefined, text: "The CPUs have no kernel pkeys: keys are not switched and nothing is protected." };
  if (machines.every(({ checked }) => checked === "off"))
    return { good: undefined, text: "The hardening is off: nothing is protected." };
  const open = machines.some(({ coverage, attack, check }) =>
    [coverage, attack, check].some((found) => (found?.gaps.length ?? 0) > 0),
  );
  return { good: true, text: open ? "All checks passed (documented gaps excluded)." : "All checks passed." };
}
