import { Access, FaultKind } from "../../contracts/index.js";
import type { ArchTools, DecidingRule, ExplainKernel, Explanation, Reason, WalkStep } from "../../contracts/index.js";
import { fromWords } from "../words.js";
import { attemptAccess } from "./access.js";
import type { AccessSetup, Attempt } from "./access.js";
import { contextOf, contextReasons, guardReasons, keyName, keyReasons, keyRights } from "./keys.js";
import { askedByReport, askedByVector } from "./question.js";
import type { ExplainTools } from "./question.js";
import type { ExplainRules, KeyUse } from "./rules.js";
import { listed, shortHex } from "./words.js";

/** Names of the kinds of faults. */
const DECIDED_BY: Readonly<Record<FaultKind, DecidingRule>> = {
  [FaultKind.NONE]: "none",
  [FaultKind.TRANSLATION]: "translation",
  [FaultKind.ADDRESS_SIZE]: "address-size",
  [FaultKind.ACCESS_FLAG]: "access-flag",
  [FaultKind.PERMISSION]: "base",
  [FaultKind.PKEY]: "key",
  [FaultKind.RESERVED]: "reserved",
};

/** What an access is called. */
const ACCESSES: Readonly<Record<Access, string>> = {
  [Access.READ]: "read",
  [Access.WRITE]: "write",
  [Access.RMW]: "read-modify-write",
  [Access.FETCH]: "instruction fetch",
};

/** The accesses that rights are told of. */
const RIGHTS: readonly (readonly [access: Access, name: string])[] = [
  [Access.READ, "read"],
  [Access.WRITE, "write"],
  [Access.FETCH, "execute"],
];

/**
 * Makes the function that explains an architecture's accesses. It knows no rule: the access, and whatever is said of what it may
 * or might do, is tried on a CPU.
 *
 * @param rules - the architecture's words
 * @param tools - the architecture's tools
 * @returns `ArchTools.explain`
 */
export function createExplain(rules: ExplainRules, tools: ExplainTools): ArchTools["explain"] {
  return (question, kernel) => {
    const asked =
      "vector" in question ? askedByVector(question, rules, tools) : askedByReport(question, kernel, rules, tools);
    const finding = examine(asked.setup, rules);
    const different = asked.differences(finding.attempt);
    return {
      reasons: [
        ...asked.reasons,
        ...walkReasons(finding, rules),
        ...rightsReasons(finding, rules),
        ...keyAndContext(finding, rules, kernel),
        ...ruleReasons(finding, rules),
        ...missingGuard(finding, rules, kernel),
        ...hardwareReasons(finding, rules),
        ...agreementReasons(different),
      ],
      verdict: verdictOf(finding, rules, kernel, different.length === 0),
    };
  };
}

/** What was found out about an access. */
interface Finding {
  readonly setup: AccessSetup;
  readonly attempt: Attempt;
  /** Which check failed. */
  readonly kind: FaultKind;
  /** The leaf, if the walk came to one. */
  readonly leaf: WalkStep | undefined;
  /** The key that decides on it. */
  readonly use: KeyUse | undefined;
}

function examine(setup: AccessSetup, rules: ExplainRules): Finding {
  const attempt = attemptAccess(rules, setup);
  const kind = attempt.ok ? FaultKind.NONE : attempt.fault.kind;
  const last = attempt.steps.at(-1);
  const isRefused = kind === FaultKind.RESERVED || kind === FaultKind.ADDRESS_SIZE;
  const leaf = last?.type === "leaf" && !isRefused ? last : undefined;
  return { setup, attempt, kind, leaf, use: leaf && rules.keyUse(setup, leaf) };
}

function withOpenKeys(setup: AccessSetup, { vectors }: ExplainRules): AccessSetup {
  const { open, userRegister } = vectors.keys;
  const pkeyRegister = fromWords(open.high, open.low);
  return { ...setup, pkeyRegister, registers: { ...setup.registers, [userRegister]: pkeyRegister } };
}

function walkReasons({ setup, attempt, leaf }: Finding, rules: ExplainRules): Reason[] {
  const { levels } = rules.format.geometry;
  const reasons: Reason[] = [{ topic: "walk", ...rules.root(setup) }];
  for (const step of attempt.steps) {
    const { name } = levels[step.level]!;
    const { text, source } = rules.entry(step, setup);
    const entry = shortHex(setup.entries[step.level]!);
    reasons.push({ topic: "walk", text: `${name}[${step.index}] ${entry}: ${text}`, source });
  }
  if (leaf === undefined) reasons.push({ topic: "walk", text: walkEnd(attempt, setup) });
  return reasons;
}

function walkEnd({ steps }: Attempt, { entries }: AccessSetup): string {
  if (steps.length === 0) return "the address is not canonical: no table is read";
  return steps.length < entries.length ? "the walk ends here: what stands below is not read" : "the walk ends here";
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

/** Whether a key is asked in the register that contexts switch. */
function isKernelsKey(use: KeyUse, { pkeyRegister }: ExplainRules): use is Extract<KeyUse, { key: number }> {
  return "key" in use && use.register === pkeyRegister.name;
}

function ruleReasons({ setup, kind }: Finding, rules: ExplainRules): Reason[] {
  const reasons: Reason[] = [{ topic: "rule", ...rules.decision(kind, setup) }];
  if (kind === FaultKind.PKEY) reasons.push({ topic: "rule", text: besideTheKey(setup, rules) });
  const changes = rules.whatIfs(kind, setup);
  const enough = changes.filter((change) => attemptAccess(rules, change.setup).ok).map(({ text }) => text);
  if (enough.length > 0) reasons.push({ topic: "rule", text: `it would go through if ${enough.join("; or if ")}` });
  else if (changes.length > 0) reasons.push({ topic: "rule", text: "no change of one thing alone lets it through" });
  return reasons;
}

function besideTheKey(setup: AccessSetup, rules: ExplainRules): string {
  return attemptAccess(rules, withOpenKeys(setup, rules)).ok
    ? "the key alone denies it: with all keys open it goes through"
    : "the key is not alone: with all keys open it is denied too";
}

function missingGuard({ setup, kind, use }: Finding, rules: ExplainRules, kernel: ExplainKernel): Reason[] {
  if (kind !== FaultKind.PKEY || use === undefined || !isKernelsKey(use, rules) || !use.ofKernel) return [];
  return guardReasons(setup, use, kernel, (changed) => attemptAccess(rules, changed).ok);
}

function hardwareReasons({ setup, attempt }: Finding, { format }: ExplainRules): Reason[] {
  return attempt.after.flatMap((entry, level): Reason[] => {
    const before = setup.entries[level]!;
    if (entry === before) return [];
    const { name } = format.geometry.levels[level]!;
    return [
      { topic: "hardware", text: `${name} ${shortHex(before)} becomes ${shortHex(entry)}: accessed and dirty state` },
    ];
  });
}

function agreementReasons(different: readonly string[]): Reason[] {
  if (different.length === 0) return [{ topic: "agreement", text: "the report is what the model computes" }];
  return [
    ...different.map((text): Reason => ({ topic: "agreement", text: `the report disagrees: ${text}` })),
    {
      topic: "agreement",
      text: "something was not as given: an assumption, a register or an entry written since, a stale TLB entry",
    },
  ];
}

function verdictOf(
  { setup, attempt, kind, leaf, use }: Finding,
  rules: ExplainRules,
  kernel: ExplainKernel,
  agrees: boolean,
): Explanation["verdict"] {
  const { ok, fault } = attempt;
  const decidedBy = DECIDED_BY[kind];
  const access = `${ACCESSES[setup.access]} at ${shortHex(setup.address)} by ${rules.privileges[setup.privilege]}`;
  const level = rules.format.geometry.levels[leaf?.level ?? fault.level]!.name;
  const because: Readonly<Record<DecidingRule, string>> = {
    none: "nothing denies it",
    translation: `${level} is not valid`,
    "address-size": attempt.steps.length === 0 ? "the address is not canonical" : `${level} has an impossible address`,
    "access-flag": `${level} was not accessed before, and hardware may not note it`,
    reserved: `${level} has a reserved bit set`,
    base: "entries and control registers deny it, and the key does not",
    key: keySentence(use, setup, rules, kernel),
  };
  return {
    result: ok ? "ok" : "fault",
    decidedBy,
    agrees,
    text: `${access} ${ok ? "goes through" : "faults"}: ${because[decidedBy]}`,
  };
}

function keySentence(use: KeyUse | undefined, setup: AccessSetup, rules: ExplainRules, kernel: ExplainKernel): string {
  if (use === undefined || !("key" in use)) return "the key denies it";
  const rights = keyRights(use, rules.pkeyRegister);
  const context = isKernelsKey(use, rules) ? contextOf(setup.pkeyRegister, kernel) : undefined;
  const where = context === undefined ? `by ${use.register}` : `in the context ${context}`;
  return `${keyName(use, kernel)} is ${rights} ${where}`;
}
