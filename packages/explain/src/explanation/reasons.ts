import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { AccessSetup, ExplainRules } from "@kpkeys/core/contracts";
import { hex } from "@kpkeys/core/machine";
import { attemptAccess } from "./access.js";
import type { Attempt } from "./access.js";
import type { ExplainKernel, Reason } from "./explanation.js";
import { isKernelsKey, withOpenKeys } from "./finding.js";
import type { Finding } from "./finding.js";
import { contextReasons, guardReasons, keyReasons } from "./keys.js";
import { changesOf } from "./what-ifs.js";
import type { ChangedAccess } from "./what-ifs.js";
import { listed } from "./words.js";

/** The accesses of the rights. */
const RIGHTS: readonly (readonly [access: Access, name: string])[] = [
  [Access.READ, "read"],
  [Access.WRITE, "write"],
  [Access.FETCH, "execute"],
];

/**
 * Describes the walk, level by level.
 *
 * @param finding - the access
 * @param rules - the architecture's rules
 */
export function walkReasons({ setup, attempt, leaf }: Finding, rules: ExplainRules): Reason[] {
  const { levels } = setup.format.geometry;
  const reasons: Reason[] = [{ topic: "walk", ...rules.root(setup) }];
  for (const step of attempt.steps) {
    const { name } = levels[step.level]!;
    const { text, source } = rules.entry(step, setup);
    const entry = hex(setup.entries[step.level]!);
    reasons.push({ topic: "walk", text: `${name}[${step.index}] ${entry}: ${text}`, source });
  }
  if (leaf === undefined) reasons.push({ topic: "walk", text: walkEnd(attempt, setup) });
  return reasons;
}

function walkEnd({ steps }: Attempt, { entries }: AccessSetup): string {
  if (steps.length === 0) return "the address is not canonical: no table is read";
  return steps.length < entries.length ? "the walk ends here: lower levels are not read" : "the walk ends here";
}

/**
 * Describes the checks after the walk: rights, key and context, the deciding rule, a missing guard, writes of the hardware.
 *
 * @param finding - the access
 * @param whatIfs - the changes with which it succeeds
 * @param rules - the architecture's rules
 * @param kernel - names and rights of keys and contexts
 */
export function accessReasons(
  finding: Finding,
  whatIfs: readonly ChangedAccess[],
  rules: ExplainRules,
  kernel: ExplainKernel,
): Reason[] {
  return [
    ...rightsReasons(finding, rules),
    ...keyAndContext(finding, rules, kernel),
    ...ruleReasons(finding, whatIfs, rules),
    ...missingGuard(finding, rules, kernel),
    ...hardwareReasons(finding),
  ];
}

function rightsReasons({ setup, leaf }: Finding, rules: ExplainRules): Reason[] {
  if (leaf === undefined) return [];
  const open = withOpenKeys(setup, rules);
  const allowed = RIGHTS.filter(([access]) => attemptAccess(rules, { ...open, access }).ok).map(([, name]) => name);
  const rights = allowed.length === 0 ? "do nothing" : listed(allowed);
  return [
    ...rules.baseRights(setup, leaf).map((rule): Reason => ({ topic: "rights", ...rule })),
    { topic: "rights", text: `so with all keys open ${rules.privileges[setup.privilege]} may ${rights}` },
  ];
}

function keyAndContext({ setup, use }: Finding, rules: ExplainRules, kernel: ExplainKernel): Reason[] {
  const { pkeyRegister } = rules;
  if (use === undefined) return [];
  const reasons = keyReasons(use, pkeyRegister, kernel);
  return isKernelsKey(use, rules) ? [...reasons, ...contextReasons(setup, pkeyRegister, kernel)] : reasons;
}

function ruleReasons({ setup, kind, use }: Finding, whatIfs: readonly ChangedAccess[], rules: ExplainRules): Reason[] {
  const reasons: Reason[] = [{ topic: "rule", ...rules.decision(kind, setup) }];
  if (kind === FaultKind.PKEY) reasons.push({ topic: "rule", text: withoutKeys(setup, rules) });
  const texts = whatIfs.map(({ text }) => text);
  if (texts.length > 0) reasons.push({ topic: "rule", text: `it would succeed if ${texts.join("; or if ")}` });
  else if (kind === FaultKind.PKEY && use !== undefined && "key" in use) {
    const text = `no rights on key ${use.key} in ${use.register} are enough, even with one more change`;
    reasons.push({ topic: "rule", text });
  } else if (changesOf(kind, setup, rules).length > 0) {
    reasons.push({ topic: "rule", text: "no single change is enough" });
  }
  return reasons;
}

function withoutKeys(setup: AccessSetup, rules: ExplainRules): string {
  return attemptAccess(rules, withOpenKeys(setup, rules)).ok
    ? "the key alone denies it: with all keys open it succeeds"
    : "the key is not the only reason: with all keys open it is denied too";
}

function missingGuard({ setup, kind, use }: Finding, rules: ExplainRules, kernel: ExplainKernel): Reason[] {
  if (kind !== FaultKind.PKEY || use === undefined || !isKernelsKey(use, rules) || !use.ofKernel) return [];
  return guardReasons(setup, use, kernel, (changed) => attemptAccess(rules, changed).ok);
}

function hardwareReasons({ setup, attempt }: Finding): Reason[] {
  return attempt.after.flatMap((entry, level): Reason[] => {
    const before = setup.entries[level]!;
    if (entry === before) return [];
    const { name } = setup.format.geometry.levels[level]!;
    return [{ topic: "hardware", text: `${name} ${hex(before)} becomes ${hex(entry)}: accessed and dirty state` }];
  });
}

/**
 * Describes whether the report matches the model.
 *
 * @param different - the differences
 */
export function agreementReasons(different: readonly string[]): Reason[] {
  if (different.length === 0) return [{ topic: "agreement", text: "the report matches the model" }];
  return [
    ...different.map((text): Reason => ({ topic: "agreement", text: `the report differs from the model: ${text}` })),
    {
      topic: "agreement",
      text: "an input may be wrong: an assumption, a register or an entry written since, a stale TLB entry",
    },
  ];
}
