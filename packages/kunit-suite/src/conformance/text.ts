import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { Words } from "@kpkeys/core/contracts";
import { wordsToHex } from "@kpkeys/core/machine";

/** Names of the values of an enumeration. */
function namesOf(values: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(values).map(([name, value]) => [value, name.toLowerCase().replaceAll("_", " ")]));
}

const KINDS = namesOf(FaultKind);
const ACCESSES = namesOf(Access);
const PRIVILEGES = namesOf(Privilege);

/** What came of an access, in words. @param kind - the fault's kind; undefined when there was none */
export function outcomeText(kind: FaultKind | undefined): string {
  return kind === undefined ? "it goes through" : `a fault of kind ${KINDS.get(kind) ?? String(kind)}`;
}

/** An access in words: `a write by the kernel`. @param access - the access @param privilege - on whose behalf */
export function accessText(access: Access, privilege: Privilege): string {
  return `a ${ACCESSES.get(access) ?? String(access)} by ${PRIVILEGES.get(privilege) ?? String(privilege)}`;
}

/** A value of two words. @param value - the words */
export function valueText({ high, low }: Words): string {
  return wordsToHex(high, low);
}
