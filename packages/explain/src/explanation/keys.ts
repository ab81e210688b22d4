import { applyChange } from "@kpkeys/core/contracts";
import type { AccessSetup, ContextName, KeyUse, PkeyRegister } from "@kpkeys/core/contracts";
import { fromWords, hex, toWords } from "@kpkeys/core/machine";
import type { ExplainKernel, Reason } from "./explanation.js";
import { fetchInWords, listed, rightsInWords } from "./words.js";

/** A key that the access was checked against. */
export type CheckedKey = Extract<KeyUse, { readonly key: number }>;

/**
 * Returns the name of a leaf's key. Keys of user pages have a number only.
 *
 * @param use - the key
 * @param kernel - the names of keys
 */
export function keyName({ key, ofKernel }: CheckedKey, { kpkeys }: ExplainKernel): string {
  const name = ofKernel ? kpkeys.pkeyNames.get(key) : undefined;
  return name === undefined ? `key ${key}` : `pkey ${key} (${name})`;
}

/**
 * Returns the rights on the key of a leaf, in words.
 *
 * @param use - the key
 * @param register - the layout
 */
export function keyRights({ key, register: name, value }: CheckedKey, register: PkeyRegister): string {
  const words = toWords(value);
  if (name === register.fetchName) return fetchInWords(register, words, key);
  return rightsInWords(register, words.high, words.low, key);
}

/**
 * Describes the key of the leaf and its rights.
 *
 * @param use - the key, or the reason why no key is checked
 * @param register - the layout
 * @param kernel - the names of keys
 */
export function keyReasons(use: KeyUse, register: PkeyRegister, kernel: ExplainKernel): Reason[] {
  if ("unasked" in use) return [{ topic: "key", text: use.unasked, source: use.source }];
  const name = keyName(use, kernel);
  const whose = use.ofKernel ? unnamed(use, kernel) : ", a key of the process: the page is a user page";
  const rights = `${use.register} ${hex(use.value)} makes it ${keyRights(use, register)}`;
  const reasons: Reason[] = [
    { topic: "key", text: `${use.field} ${use.key}: ${name}${whose}; ${rights}`, source: use.source },
  ];
  const feature = use.ofKernel && kernel.objects.claims.find(({ tablePkey }) => tablePkey === use.key);
  if (feature) reasons.push({ topic: "key", text: `feature ${feature.feature} sets this key on page-table pages` });
  return reasons;
}

function unnamed({ key }: CheckedKey, { kpkeys }: ExplainKernel): string {
  return kpkeys.pkeyNames.has(key) ? "" : ", which no feature has registered";
}

/**
 * Returns the context of a value of the kernel's key register: the one with the same rights on all keys of kpkeys.
 *
 * @param value - the register's value
 * @param kernel - the contexts
 * @returns its name, or `undefined` if there is none
 */
export function contextOf(value: bigint, { kpkeys }: ExplainKernel): ContextName | undefined {
  const { high, low } = toWords(value);
  return kpkeys.contextNames.find((name) => {
    const { clear, set } = kpkeys.compiled(name);
    return (high & clear.high) === set.high && (low & clear.low) === set.low;
  });
}

/** @returns the key register's value in a context, all other keys unchanged */
function inContext(value: bigint, name: ContextName, { kpkeys }: ExplainKernel): bigint {
  const { high, low } = applyChange(toWords(value), kpkeys.compiled(name));
  return fromWords(high, low);
}

/**
 * Describes the context of the kernel's key register.
 *
 * @param setup - the access
 * @param register - the layout
 * @param kernel - the contexts
 */
export function contextReasons(setup: AccessSetup, register: PkeyRegister, kernel: ExplainKernel): Reason[] {
  const value = setup.pkeyRegister;
  const found = contextOf(value, kernel);
  if (found !== undefined) {
    return [{ topic: "context", text: `${register.name} ${hex(value)} is the value of the context ${found}` }];
  }
  const contexts = kernel.kpkeys.contextNames.map((name) => `${hex(inContext(value, name, kernel))} in ${name}`);
  const text = `${register.name} ${hex(value)} is the value of no context; it would be ${listed(contexts)}`;
  return [{ topic: "context", text }];
}

/**
 * Finds the contexts in which a denied access succeeds, and the guard that enters them.
 *
 * @param setup - the access
 * @param use - the key that denied it, a key of kpkeys
 * @param kernel - the contexts
 * @param isAllowed - tries an access
 */
export function guardReasons(
  setup: AccessSetup,
  use: CheckedKey,
  kernel: ExplainKernel,
  isAllowed: (setup: AccessSetup) => boolean,
): Reason[] {
  const names = kernel.kpkeys.contextNames.filter((name) =>
    isAllowed({ ...setup, pkeyRegister: inContext(setup.pkeyRegister, name, kernel) }),
  );
  if (names.length === 0) return [{ topic: "guard", text: "the access succeeds in no context of kpkeys" }];
  const through = `the access succeeds in the ${names.length === 1 ? "context" : "contexts"} ${listed(names)}`;
  if (names.includes("DEFAULT")) {
    return [
      { topic: "guard", text: `${through}: no guard is missing, the register has a value that kpkeys does not write` },
    ];
  }
  const tables = kernel.objects.claims.some(({ tablePkey }) => tablePkey === use.key);
  const what = tables ? "a page-table write outside its setter's guard" : "an access outside its guard";
  const guards = narrowest(names, kernel).map((name) => `kpkeys_hardened_${name.toLowerCase()}`);
  return [{ topic: "guard", text: `${through}: likely ${what}, ${listed(guards)}` }];
}

/** The contexts with the fewest writable keys: one that makes every key writable is not the guard of a feature. */
function narrowest(names: readonly ContextName[], { kpkeys }: ExplainKernel): ContextName[] {
  const keys = [...kpkeys.pkeyNames.values()];
  const opened = names.map((name) => keys.filter((key) => kpkeys.rights(name, key).includes("w")).length);
  return names.filter((_, at) => opened[at] === Math.min(...opened));
}
