import { FaultKind } from "@kpkeys/core/contracts";
import type { AccessSetup, ExplainRules, KeyUse, WalkStep } from "@kpkeys/core/contracts";
import { fromWords } from "@kpkeys/core/machine";
import { attemptAccess } from "./access.js";
import type { Attempt } from "./access.js";

/** An access, its result and the decisive leaf and key. */
export interface Finding {
  /** The access. */
  readonly setup: AccessSetup;
  /** The result. */
  readonly attempt: Attempt;
  /** The check that failed. */
  readonly kind: FaultKind;
  /** The leaf, if the walk reached one. */
  readonly leaf: WalkStep | undefined;
  /** The key that decides on it. */
  readonly use: KeyUse | undefined;
}

/**
 * Tries an access.
 *
 * @param setup - the access
 * @param rules - the architecture's rules
 */
export function examine(setup: AccessSetup, rules: ExplainRules): Finding {
  const attempt = attemptAccess(rules, setup);
  const kind = attempt.ok ? FaultKind.NONE : attempt.fault.kind;
  const last = attempt.steps.at(-1);
  const isInvalid = kind === FaultKind.RESERVED || kind === FaultKind.ADDRESS_SIZE;
  const leaf = last?.type === "leaf" && !isInvalid ? last : undefined;
  return { setup, attempt, kind, leaf, use: leaf && rules.keyUse(setup, leaf) };
}

/**
 * Returns the same access with all keys open in the key registers of user and kernel.
 *
 * @param setup - the access
 * @param rules - the architecture's rules
 */
export function withOpenKeys(setup: AccessSetup, { openKeys }: ExplainRules): AccessSetup {
  const { userRegister, value } = openKeys;
  const pkeyRegister = fromWords(value.high, value.low);
  return {
    ...setup,
    pkeyRegister,
    ...(value.fetch !== undefined && { fetchRegister: fromWords(value.fetch.high, value.fetch.low) }),
    registers: { ...setup.registers, [userRegister]: pkeyRegister },
  };
}

/** Whether the key is checked in the register that contexts switch. */
export function isKernelsKey(use: KeyUse, { pkeyRegister }: ExplainRules): use is Extract<KeyUse, { key: number }> {
  return "key" in use && use.register === pkeyRegister.name;
}
