import { Access, FaultKind } from "../../contracts/index.js";
import type { ExplainChange, Rights } from "../../contracts/index.js";
import { fromWords, toWords } from "../words.js";
import { attemptAccess } from "./access.js";
import type { AccessSetup } from "./access.js";
import { namesOfLevel } from "./entries.js";
import type { AskedKey } from "./keys.js";
import type { Asked } from "./question.js";
import type { ExplainRules, KeyUse, WhatIf } from "./rules.js";
import { rightsInWords, shortHex } from "./words.js";

/** Rights that let an access through, the narrowest first. */
const RIGHTS: Readonly<Record<Access, readonly Rights[]>> = {
  [Access.READ]: ["r", "rw", "rx", "rwx"],
  [Access.WRITE]: ["rw", "rwx"],
  [Access.RMW]: ["rw", "rwx"],
  [Access.FETCH]: ["rx", "rwx"],
};

/**
 * Looks for what would let a denied access through: one change, or of the key and one thing more where the key is not alone. Each
 * is tried on a CPU.
 *
 * @param kind - which check failed
 * @param setup - the access
 * @param use - the key that was asked
 * @param rules - the architecture's words
 * @returns the changes that are enough
 */
export function findWhatIfs(
  kind: FaultKind,
  setup: AccessSetup,
  use: KeyUse | undefined,
  rules: ExplainRules,
): readonly WhatIf[] {
  const passes = ({ setup: changed }: WhatIf): boolean => attemptAccess(rules, changed).ok;
  const single = rules.whatIfs(kind, setup);
  const enough = single.filter(passes);
  if (kind !== FaultKind.PKEY || use === undefined || !("key" in use)) return enough;

  // A register that cannot withhold execution has the same value for some of them.
  const opened = RIGHTS[setup.access]
    .map((rights) => withKeyRights(setup, use, rights, rules))
    .filter(({ text }, at, all) => all.findIndex((each) => each.text === text) === at);
  const key = opened.find(passes);
  if (key !== undefined) return [key, ...enough];
  // What is enough alone is no part of two.
  const alone = new Set(enough.map(({ text }) => text));
  const both = opened.flatMap((one) =>
    rules
      .whatIfs(FaultKind.PERMISSION, one.setup)
      .filter(({ text }) => !alone.has(text))
      .map((other): WhatIf => ({ text: `${one.text} and ${other.text}`, setup: other.setup })),
  );
  const found = both.filter(passes);
  // The narrowest rights on the key are enough if any are.
  const narrowest = opened.map(({ text }) => found.filter((each) => each.text.startsWith(`${text} and `)));
  return [...enough, ...(narrowest.find((list) => list.length > 0) ?? [])];
}

/** The access with other rights on the key that was asked. */
function withKeyRights(
  setup: AccessSetup,
  { key, register, value }: AskedKey,
  rights: Rights,
  { pkeyRegister }: ExplainRules,
): WhatIf {
  const mask = pkeyRegister.fieldMask(key);
  const field = pkeyRegister.field(key, rights);
  const changed = (value & ~fromWords(mask.high, mask.low)) | fromWords(field.high, field.low);
  const { high, low } = toWords(changed);
  return {
    text: `${register} made key ${key} ${rightsInWords(pkeyRegister, high, low, key)} (${shortHex(changed)})`,
    setup:
      register === pkeyRegister.name
        ? { ...setup, pkeyRegister: changed }
        : { ...setup, registers: { ...setup.registers, [register]: changed } },
  };
}

/**
 * A change as inputs: what the same question has to give instead, with the shape of the tables and the machine that the report
 * led to.
 *
 * @param whatIf - the change
 * @param asked - the access without it
 * @param rules - the architecture's words
 */
export function changeOf({ text, setup: changed }: WhatIf, { setup, pins }: Asked, rules: ExplainRules): ExplainChange {
  const { pageShift, addressBits } = setup.format.geometry;
  const inputs: Record<string, string> = {
    "va-bits": String(addressBits),
    "page-size": `${2 ** (pageShift - 10)}k`,
    ...pins,
  };
  for (const { name, label, role } of rules.inputs) {
    if (role === "keys" && changed.pkeyRegister !== setup.pkeyRegister) inputs[name] = shortHex(changed.pkeyRegister);
    const value = changed.registers[label];
    if (role === "register" && value !== undefined && value !== setup.registers[label]) inputs[name] = shortHex(value);
  }
  changed.entries.forEach((entry, level) => {
    if (entry === setup.entries[level]) return;
    for (const name of namesOfLevel(setup.format.geometry, level)) inputs[name] = shortHex(entry);
  });
  return { text, inputs };
}
