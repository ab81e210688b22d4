import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { AccessSetup, ExplainRules, KeyUse, PkeyRegister, Rights, WhatIf } from "@kpkeys/core/contracts";
import { fromWords, hex } from "@kpkeys/core/machine";
import { attemptAccess } from "./access.js";
import type { Asked } from "./asked.js";
import { namesOfLevel } from "./entries.js";
import type { ExplainChange } from "./explanation.js";
import { keyRights } from "./keys.js";
import type { CheckedKey } from "./keys.js";

/** An access with one change. */
export interface ChangedAccess {
  /** The change in words: `CR4.SMAP were 0`. */
  readonly text: string;
  /** The changed access. */
  readonly setup: AccessSetup;
}

/**
 * Applies the changes that an architecture lists, one at a time.
 *
 * @param kind - the check that failed
 * @param setup - the access
 * @param rules - the architecture's rules
 * @returns the accesses that differ from the original
 */
export function changesOf(kind: FaultKind, setup: AccessSetup, rules: ExplainRules): readonly ChangedAccess[] {
  return rules.whatIfs(kind, setup).flatMap((whatIf) => {
    const changed = apply(whatIf, setup);
    return changed === undefined ? [] : [{ text: whatIf.text, setup: changed }];
  });
}

function apply({ where, clear, set }: WhatIf, setup: AccessSetup): AccessSetup | undefined {
  const change = (value: bigint): bigint => (value & ~clear) | set;
  if (typeof where === "string") {
    const value = setup.registers[where]!;
    const registers = { ...setup.registers, [where]: change(value) };
    return change(value) === value ? undefined : { ...setup, registers };
  }
  if (where.every((level) => change(setup.entries[level]!) === setup.entries[level])) return undefined;
  return { ...setup, entries: setup.entries.map((each, level) => (where.includes(level) ? change(each) : each)) };
}

/** Rights that allow an access, the narrowest first. */
const RIGHTS: Readonly<Record<Access, readonly Rights[]>> = {
  [Access.READ]: ["r", "rw", "rx", "rwx"],
  [Access.WRITE]: ["rw", "rwx"],
  [Access.RMW]: ["rw", "rwx"],
  [Access.FETCH]: ["rx", "rwx"],
};

/**
 * Finds the changes with which a denied access succeeds: one change, or other rights on the key with one more change if the key is
 * not the only reason. Each is tried on a CPU.
 *
 * @param kind - the check that failed
 * @param setup - the access
 * @param use - the key of the leaf
 * @param rules - the architecture's rules
 * @returns the changes that are enough
 */
export function findWhatIfs(
  kind: FaultKind,
  setup: AccessSetup,
  use: KeyUse | undefined,
  rules: ExplainRules,
): readonly ChangedAccess[] {
  const passes = ({ setup: changed }: ChangedAccess): boolean => attemptAccess(rules, changed).ok;
  const enough = changesOf(kind, setup, rules).filter(passes);
  if (kind !== FaultKind.PKEY || use === undefined || !("key" in use)) return enough;

  // In a register that cannot deny execution, some rights have the same value.
  const opened = RIGHTS[setup.access]
    .map((rights) => withKeyRights(setup, use, rights, rules))
    .filter(({ text }, at, all) => all.findIndex((each) => each.text === text) === at);
  const key = opened.find(passes);
  if (key !== undefined) return [key, ...enough];
  // A change that is enough by itself is not combined with others.
  const alone = new Set(enough.map(({ text }) => text));
  const both = opened.flatMap((one) =>
    changesOf(FaultKind.PERMISSION, one.setup, rules)
      .filter(({ text }) => !alone.has(text))
      .map((other): ChangedAccess => ({ text: `${one.text} and ${other.text}`, setup: other.setup })),
  );
  const found = both.filter(passes);
  // The narrowest rights on the key are enough if any are.
  const narrowest = opened.map(({ text }) => found.filter((each) => each.text.startsWith(`${text} and `)));
  return [...enough, ...(narrowest.find((list) => list.length > 0) ?? [])];
}

/** @returns the access with other rights on the key of the leaf */
function withKeyRights(
  setup: AccessSetup,
  use: CheckedKey,
  rights: Rights,
  { pkeyRegister }: ExplainRules,
): ChangedAccess {
  const { key, register, value } = use;
  const ofFetches = register === pkeyRegister.fetchName;
  const [mask, field] = [pkeyRegister.fieldMask(key), pkeyRegister.field(key, rights)].map((value) =>
    ofFetches ? value.fetch! : value,
  );
  const changed = (value & ~fromWords(mask!.high, mask!.low)) | fromWords(field!.high, field!.low);
  return {
    text: `${register} made key ${key} ${keyRights({ ...use, value: changed }, pkeyRegister)} (${hex(changed)})`,
    setup: withRegister(setup, register, changed, pkeyRegister),
  };
}

function withRegister(
  setup: AccessSetup,
  register: string,
  value: bigint,
  { name, fetchName }: PkeyRegister,
): AccessSetup {
  if (register === name) return { ...setup, pkeyRegister: value };
  if (register === fetchName) return { ...setup, fetchRegister: value };
  return { ...setup, registers: { ...setup.registers, [register]: value } };
}

/**
 * Returns a change as inputs for the same question. They include the geometry of the tables and the variant of the machine that
 * matched the report.
 *
 * @param whatIf - the change
 * @param asked - the access without it
 * @param rules - the architecture's rules
 */
export function changeOf(
  { text, setup: changed }: ChangedAccess,
  { setup, pins }: Asked,
  rules: ExplainRules,
): ExplainChange {
  const { pageShift, addressBits } = setup.format.geometry;
  const inputs: Record<string, string> = {
    "va-bits": String(addressBits),
    "page-size": `${2 ** (pageShift - 10)}k`,
    ...pins,
  };
  for (const { name, label, role } of rules.inputs) {
    if (role === "keys" && changed.pkeyRegister !== setup.pkeyRegister) inputs[name] = hex(changed.pkeyRegister);
    const { fetchRegister } = changed;
    if (role === "fetch-keys" && fetchRegister !== undefined && fetchRegister !== setup.fetchRegister)
      inputs[name] = hex(fetchRegister);
    const value = changed.registers[label];
    if (role === "register" && value !== undefined && value !== setup.registers[label]) inputs[name] = hex(value);
  }
  changed.entries.forEach((entry, level) => {
    if (entry === setup.entries[level]) return;
    for (const name of namesOfLevel(setup.format.geometry, level)) inputs[name] = hex(entry);
  });
  return { text, inputs };
}
