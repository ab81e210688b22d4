import { applyChange } from "@kpkeys/core/contracts";
import type { AccessSetup, ContextName, KeyUse, PkeyRegister } from "@kpkeys/core/contracts";
import { fromWords, hex, toWords } from "@kpkeys/core/machine";
import type { ExplainKernel, Reason } from "./explanation.js";
import { listed, rightsInWords } from "./words.js";

/** A key that was asked. */
export type AskedKey = Extract<KeyUse, { readonly key: number }>;

/**
 * The name of the key that a leaf names: that of kpkeys, if the page is the kernel's.
 *
 * @param use - the key
 * @param kernel - knows the names
 */
export function keyName({ key, ofKernel }: AskedKey, { kpkeys }: ExplainKernel): string {
  const name = ofKernel ? kpkeys.pkeyNames.get(key) : undefined;
  return name === undefined ? `key ${key}` : `pkey ${key} (${name})`;
}

/**
 * What the key register gives on the key of a leaf.
 *
 * @param use - the key
 * @param register - the layout
 */
export function keyRights({ key, value }: AskedKey, register: PkeyRegister): string {
  const { high, low } = toWords(value);
  return rightsInWords(register, high, low, key);
}

/**
 * Says which key decides, and what its register gives on it.
 *
 * @param use - the key, or why none is asked
 * @param register - the layout
 * @param kernel - knows the names
 */
export function keyReasons(use: KeyUse, register: PkeyRegister, kernel: ExplainKernel): Reason[] {
  if ("unasked" in use) return [{ topic: "key", text: use.unasked, source: use.source }];
  const name = keyName(use, kernel);
  const whose = use.ofKernel ? unnamed(use, kernel) : ", one of the process: the page is a user page";
  const rights = `${use.register} ${hex(use.value)} makes it ${keyRights(use, register)}`;
  const reasons: Reason[] = [
    { topic: "key", text: `${use.field} ${use.key}: ${name}${whose}; ${rights}`, source: use.source },
  ];
  const feature = use.ofKernel && kernel.objects.claims.find(({ tablePkey }) => tablePkey === use.key);
  if (feature)
    reasons.push({ topic: "key", text: `with this key the feature ${feature.feature} marks page-table pages` });
  return reasons;
}

function unnamed({ key }: AskedKey, { kpkeys }: ExplainKernel): string {
  return kpkeys.pkeyNames.has(key) ? "" : ", which no feature has registered";
}

/**
 * The context of a value of the kernel's key register: the one whose rights it has on all keys of kpkeys.
 *
 * @param value - the register's value
 * @param kernel - has the contexts
 * @returns its name, or `undefined`
 */
export function contextOf(value: bigint, { kpkeys }: ExplainKernel): ContextName | undefined {
  const { high, low } = toWords(value);
  return kpkeys.contextNames.find((name) => {
    const { clear, set } = kpkeys.compiled(name);
    return (high & clear.high) === set.high && (low & clear.low) === set.low;
  });
}

/** The kernel's key register in a context, all other keys as they are. */
function inContext(value: bigint, name: ContextName, { kpkeys }: ExplainKernel): bigint {
  const { high, low } = applyChange(toWords(value), kpkeys.compiled(name));
  return fromWords(high, low);
}

/**
 * Says which context the kernel's key register is in.
 *
 * @param setup - the access
 * @param register - the layout
 * @param kernel - has the contexts
 */
export function contextReasons(setup: AccessSetup, register: PkeyRegister, kernel: ExplainKernel): Reason[] {
  const value = setup.pkeyRegister;
  const found = contextOf(value, kernel);
  if (found !== undefined) {
    return [{ topic: "context", text: `${register.name} ${hex(value)} is that of the context ${found}` }];
  }
  const contexts = kernel.kpkeys.contextNames.map((name) => `${hex(inContext(value, name, kernel))} in ${name}`);
  const text = `${register.name} ${hex(value)} is that of no context; it would be ${listed(contexts)}`;
  return [{ topic: "context", text }];
}

/**
 * Looks for the contexts that would let a denied access through.
 *
 * @param setup - the access
 * @param use - the key that denied it, one of kpkeys
 * @param kernel - has the contexts
 * @param isAllowed - tries an access
 */
export function guardReasons(
  setup: AccessSetup,
  use: AskedKey,
  kernel: ExplainKernel,
  isAllowed: (setup: AccessSetup) => boolean,
): Reason[] {
  const names = kernel.kpkeys.contextNames.filter((name) =>
    isAllowed({ ...setup, pkeyRegister: inContext(setup.pkeyRegister, name, kernel) }),
  );
  if (names.length === 0) return [{ topic: "guard", text: "no context of kpkeys would let this access through" }];
  const through = `in the context ${listed(names)} the access goes through`;
  if (names.includes("DEFAULT")) {
    return [{ topic: "guard", text: `${through}: no guard is missing, the register is not what kpkeys makes it` }];
  }
  const tables = kernel.objects.claims.some(({ tablePkey }) => tablePkey === use.key);
  const what = tables ? "a page-table write outside its setter's guard" : "an access outside its guard";
  const guards = narrowest(names, kernel).map((name) => `kpkeys_hardened_${name.toLowerCase()}`);
  return [{ topic: "guard", text: `${through}: likely ${what}, ${listed(guards)}` }];
}

/** Of some contexts those that open the fewest keys: a context for everything is no feature's guard. */
function narrowest(names: readonly ContextName[], { kpkeys }: ExplainKernel): ContextName[] {
  const keys = [...kpkeys.pkeyNames.values()];
  const opened = names.map((name) => keys.filter((key) => kpkeys.rights(name, key).includes("w")).length);
  return names.filter((_, at) => opened[at] === Math.min(...opened));
}
