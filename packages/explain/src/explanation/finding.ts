import { FaultKind } from "@kpkeys/core/contracts";
import type { AccessSetup, ExplainRules, KeyUse, WalkStep } from "@kpkeys/core/contracts";
import { fromWords } from "@kpkeys/core/machine";
import { attemptAccess } from "./access.js";
import type { Attempt } from "./access.js";

/** What was found out about an access. */
export interface Finding {
  /** The access. */
  readonly setup: AccessSetup;
  /** What came of it. */
  readonly attempt: Attempt;
  /** Which check failed. */
  readonly kind: FaultKind;
  /** The leaf, if the walk came to one. */
  readonly leaf: WalkStep | undefined;
  /** The key that decides on it. */
  readonly use: KeyUse | undefined;
}

/**
 * Tries an access.
 *
 * @param setup - the access
 * @param rules - the architecture's words
 */
export function examine(setup: AccessSetup, rules: ExplainRules): Finding {
  const attempt = attemptAccess(rules, setup);
  const kind = attempt.ok ? FaultKind.NONE : attempt.fault.kind;
  const last = attempt.steps.at(-1);
  const isRefused = kind === FaultKind.RESERVED || kind === FaultKind.ADDRESS_SIZE;
  const leaf = last?.type === "leaf" && !isRefused ? last : undefined;
  return { setup, attempt, kind, leaf, use: leaf && rules.keyUse(setup, leaf) };
}

/**
 * The same access with both key registers open.
 *
 * @param setup - the access
 * @param rules - has the value
 */
export function withOpenKeys(setup: AccessSetup, { openKeys }: ExplainRules): AccessSetup {
  const { userRegister, value } = openKeys;
  const pkeyRegister = fromWords(value.high, value.low);
  return { ...setup, pkeyRegister, registers: { ...setup.registers, [userRegister]: pkeyRegister } };
}

/** Whether a key is asked in the register that contexts switch. */
export function isKernelsKey(use: KeyUse, { pkeyRegister }: ExplainRules): use is Extract<KeyUse, { key: number }> {
  return "key" in use && use.register === pkeyRegister.name;
}
