import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { AccessSetup, ExplainRules, KeyUse } from "@kpkeys/core/contracts";
import { hex } from "@kpkeys/core/machine";
import type { DecidingRule, ExplainKernel, ExplainVerdict } from "./explanation.js";
import { isKernelsKey } from "./finding.js";
import type { Finding } from "./finding.js";
import { contextOf, keyName, keyRights } from "./keys.js";

/** Names of the kinds of faults. */
export const DECIDED_BY: Readonly<Record<FaultKind, Exclude<DecidingRule, "other">>> = {
  [FaultKind.NONE]: "none",
  [FaultKind.TRANSLATION]: "translation",
  [FaultKind.ADDRESS_SIZE]: "address-size",
  [FaultKind.ACCESS_FLAG]: "access-flag",
  [FaultKind.PERMISSION]: "base",
  [FaultKind.PKEY]: "key",
  [FaultKind.RESERVED]: "reserved",
};

/** Names of the accesses. */
export const ACCESS_NAMES: Readonly<Record<Access, string>> = {
  [Access.READ]: "read",
  [Access.WRITE]: "write",
  [Access.RMW]: "read-modify-write",
  [Access.FETCH]: "instruction fetch",
};

/**
 * Returns the result of an access, in one sentence.
 *
 * @param finding - the access
 * @param rules - the architecture's rules
 * @param kernel - names and rights of keys and contexts
 * @param agrees - whether the report matches the model
 */
export function verdictOf(
  { setup, attempt, kind, leaf, use }: Finding,
  rules: ExplainRules,
  kernel: ExplainKernel,
  agrees: boolean,
): ExplainVerdict {
  const { ok, fault, steps } = attempt;
  const decidedBy = DECIDED_BY[kind];
  const access = `${ACCESS_NAMES[setup.access]} at ${hex(setup.address)} by ${rules.privileges[setup.privilege]}`;
  const level = setup.format.geometry.levels[leaf?.level ?? fault.level]?.name ?? "";
  const canonical = steps.length > 0;
  const because: Readonly<Record<Exclude<DecidingRule, "other">, string>> = {
    none: "no rule denies it",
    translation: canonical ? `${level} is not valid` : "the address is not canonical",
    "address-size": canonical ? `${level} has an address that is too wide` : "the address is not canonical",
    "access-flag": `the access flag of ${level} is clear, and hardware may not set it`,
    reserved: `${level} has a reserved bit set`,
    base: "entries and control registers deny it, the key does not",
    key: keySentence(use, setup, rules, kernel),
  };
  return {
    kind: "tables",
    result: ok ? "ok" : "fault",
    decidedBy,
    agrees,
    text: `${access} ${ok ? "succeeds" : "faults"}: ${because[decidedBy]}`,
  };
}

function keySentence(use: KeyUse | undefined, setup: AccessSetup, rules: ExplainRules, kernel: ExplainKernel): string {
  if (use === undefined || !("key" in use)) return "the key denies it";
  const rights = keyRights(use, rules.pkeyRegister);
  const context = isKernelsKey(use, rules) ? contextOf(setup.pkeyRegister, kernel) : undefined;
  const where = context === undefined ? `by ${use.register}` : `in the context ${context}`;
  return `${keyName(use, kernel)} ${rights === "no access" ? "has" : "is"} ${rights} ${where}`;
}
