import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { PkeyValue } from "@kpkeys/core/contracts";
import { wordsToHex } from "@kpkeys/core/machine";
import type { ReportFinding } from "./rule.js";

/** The names of an enumeration's values, in lower case with spaces. */
function namesOf(values: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(values).map(([name, value]) => [value, name.toLowerCase().replaceAll("_", " ")]));
}

const KINDS = namesOf(FaultKind);
const ACCESSES = namesOf(Access);
const PRIVILEGES = namesOf(Privilege);

function outcomeText(kind: FaultKind | undefined): string {
  return kind === undefined ? "success" : `a fault of kind ${KINDS.get(kind) ?? String(kind)}`;
}

/**
 * Reports an access whose result is not the expected one.
 * @param report - receives the finding
 * @param access - the access, in words
 * @param found - the kind of its fault; `undefined` if it succeeded
 * @param expected - the expected kind
 * @returns whether the result is the expected one
 */
export function checkOutcome(
  report: ReportFinding,
  access: string,
  found: FaultKind | undefined,
  expected: FaultKind | undefined,
): boolean {
  if (found !== expected) report(`${access}: ${outcomeText(found)}; expected ${outcomeText(expected)}`);
  return found === expected;
}

/** An access in words: `a write by the kernel`. @param access - the access @param privilege - its privilege */
export function accessText(access: Access, privilege: Privilege): string {
  return `a ${ACCESSES.get(access) ?? String(access)} by ${PRIVILEGES.get(privilege) ?? String(privilege)}`;
}

/** A 64-bit value in hexadecimal; of two key registers both values. @param value - its words */
export function valueText({ high, low, fetch }: PkeyValue): string {
  const text = wordsToHex(high, low);
  return fetch === undefined ? text : `${text} and ${wordsToHex(fetch.high, fetch.low)}`;
}
