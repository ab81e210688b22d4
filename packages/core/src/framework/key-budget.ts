import type { ContextName, Kpkeys, PkeyName, PkeyRegister, Rights } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { isSamePkeyValue } from "../pkey-value.js";
import { unionOf } from "./rights.js";

/** A key that a plugin has registered. */
export interface KeyDemand {
  /** Its symbolic name. */
  readonly name: PkeyName;
  /** Its number; past the register's last key if there are too many. */
  readonly number: number;
  /** Id of the plugin that registered it; `kpkeys` for DEFAULT. */
  readonly owner: string;
}

/** The rights of a context. */
export interface ContextRow {
  /** Its name. */
  readonly name: ContextName;
  /** Its rights on each key, by the key's name. */
  readonly rights: Readonly<Record<string, Rights>>;
}

/** The rights that a context would gain if two keys had one number. */
export interface Exposure {
  /** The context. */
  readonly context: ContextName;
  /** The key on whose pages it would gain rights. */
  readonly key: PkeyName;
  /** Its rights now. */
  readonly from: Rights;
  /** Its rights then. */
  readonly to: Rights;
}

/** Two keys that share one number. */
export interface SharedKeys {
  /** Their names. */
  readonly keys: readonly [PkeyName, PkeyName];
  /** The rights that contexts would gain. A context would have its rights on either key for the pages of both. */
  readonly exposes: readonly Exposure[];
}

/** The keys and contexts of a machine, and the number of keys of its architecture. */
export interface KeyBudget {
  /** The register's name in the manual. */
  readonly register: string;
  /** Its number of keys, key 0 included. */
  readonly keys: number;
  /** The registered keys, with DEFAULT. */
  readonly wanted: readonly KeyDemand[];
  /** The contexts, DEFAULT first. */
  readonly contexts: readonly ContextRow[];
  /** All pairs of keys except those with DEFAULT, whose pages are not protected; the pair with the fewest exposures first. */
  readonly sharing: readonly SharedKeys[];
  /** Whether the register has enough keys. */
  readonly fits: boolean;
}

/**
 * Compares the keys of a machine with its register. The series leaves open whether features share a key if there are too few keys
 * (cover letter of RFC v7, "Open questions"); {@link KeyBudget.sharing} lists the exposures of each pair.
 *
 * @param kpkeys - the machine's kpkeys API, after all plugins were set up
 * @param register - its key register
 * @returns the budget
 */
export function keyBudget(kpkeys: Kpkeys, register: PkeyRegister): KeyBudget {
  const wanted = [...kpkeys.pkeyNames]
    .map(([number, name]): KeyDemand => ({ name, number, owner: kpkeys.pkeyOwner(name) ?? "unknown" }))
    .sort((a, b) => a.number - b.number);
  const names = wanted.map(({ name }) => name);
  const contexts = kpkeys.contextNames.map((name): ContextRow => ({
    name,
    rights: Object.fromEntries(names.map((key) => [key, kpkeys.rights(name, key)])),
  }));
  const pairs = names.slice(1).flatMap((one, at) => names.slice(at + 2).map((other) => [one, other] as const));
  const sharing = pairs
    .map((keys): SharedKeys => ({ keys, exposes: exposures(contexts, keys, register) }))
    .sort((a, b) => a.exposes.length - b.exposes.length);
  const fits = wanted.length <= register.keys;
  return { register: register.name, keys: register.keys, wanted, contexts, sharing, fits };
}

function exposures(
  contexts: readonly ContextRow[],
  [one, other]: readonly [PkeyName, PkeyName],
  register: PkeyRegister,
): Exposure[] {
  return contexts.flatMap(({ name, rights }) => {
    const [ofOne, ofOther] = [one, other].map((key) => expressed(rights[key]!, register)) as [Rights, Rights];
    const to = unionOf(ofOne, ofOther);
    return [
      { context: name, key: one, from: ofOne, to },
      { context: name, key: other, from: ofOther, to },
    ].filter(({ from }) => from !== to);
  });
}

/** Rights without execution if the register cannot deny it (IA32_PKRS): there the entries alone decide a fetch. */
function expressed(rights: Rights, register: PkeyRegister): Rights {
  if (!isSamePkeyValue(register.field(0, "r"), register.field(0, "rx"))) return rights;
  return rights.replace("x", "") as Rights;
}

/**
 * Describes the exposures of two keys that share a number.
 * @param shared - the keys
 * @returns clauses: `the contexts CRED and UNRESTRICTED could write the pages of PGTABLES`
 */
export function sharingText({ exposes }: SharedKeys): string {
  if (exposes.length === 0) return "no context could do more than now";
  const contextsOf = new Map<string, string[]>();
  for (const { context, key, from, to } of exposes) {
    const gain = `could ${verbOf(from, to)} the pages of ${key}`;
    contextsOf.set(gain, [...(contextsOf.get(gain) ?? []), context]);
  }
  return Array.from(contextsOf, ([gain, contexts]) => `${contextsText(contexts)} ${gain}`).join(" and ");
}

function contextsText(contexts: readonly string[]): string {
  if (contexts.length === 1) return `the context ${contexts[0]!}`;
  return `the contexts ${contexts.slice(0, -1).join(", ")} and ${contexts.at(-1)!}`;
}

function verbOf(from: Rights, to: Rights): string {
  const gained = ["read", "write", "execute"].filter((verb) => {
    const letter = verb === "execute" ? "x" : verb[0]!;
    return to.includes(letter) && !from.includes(letter);
  });
  return gained.join(" and ");
}

/**
 * Checks that the register has enough keys for the features.
 * @param budget - its budget
 * @throws KpkeysError ERR_PKEY_EXHAUSTED, which names the keys with their plugins, and the pair of keys with the fewest exposures
 */
export function checkKeyBudget({ register, keys, wanted, sharing, fits }: KeyBudget): void {
  if (fits) return;
  const list = wanted.map(({ name, owner }) => (owner === "kpkeys" ? name : `${name} (${owner})`)).join(", ");
  const [least] = sharing;
  const shared = least === undefined ? "" : `; if ${least.keys.join(" and ")} shared a key, ${sharingText(least)}`;
  throw new KpkeysError(
    "ERR_PKEY_EXHAUSTED",
    `the features need ${wanted.length} keys, but ${register} has ${keys}: ${list}`,
    {
      advice: `build the machine with fewer features, or share keys${shared}`,
    },
  );
}
