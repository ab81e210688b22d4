import type { ContextName, Kpkeys, PkeyName, PkeyRegister, Rights } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** A key that somebody wants. */
export interface KeyDemand {
  /** Its symbolic name. */
  readonly name: PkeyName;
  /** Its number; beyond the register's last for a key too many. */
  readonly number: number;
  /** Id of the plugin that registered it; `kpkeys` for DEFAULT. */
  readonly owner: string;
}

/** What a context gives. */
export interface ContextRow {
  /** Its name. */
  readonly name: ContextName;
  /** Its rights on each key, by the key's name. */
  readonly rights: Readonly<Record<string, Rights>>;
}

/** What a context could do if two keys were one. */
export interface Exposure {
  /** The context. */
  readonly context: ContextName;
  /** The key whose pages it would reach. */
  readonly key: PkeyName;
  /** Its rights on them now. */
  readonly from: Rights;
  /** What it would have. */
  readonly to: Rights;
}

/** Two keys as one number. */
export interface SharedKeys {
  /** Their names. */
  readonly keys: readonly [PkeyName, PkeyName];
  /** What that would open. A context gets what it has on either, for it needs both. */
  readonly exposes: readonly Exposure[];
}

/** Contexts and keys of a machine against the keys that its architecture has. */
export interface KeyBudget {
  /** The register's name in the manual. */
  readonly register: string;
  /** Number of keys that it has, key 0 included. */
  readonly keys: number;
  /** Keys that are wanted, DEFAULT among them. */
  readonly wanted: readonly KeyDemand[];
  /** The contexts, DEFAULT first. */
  readonly contexts: readonly ContextRow[];
  /** Every pair of keys but those with DEFAULT (whose pages nobody protects), the one that opens least first. */
  readonly sharing: readonly SharedKeys[];
  /** Whether the keys suffice. */
  readonly fits: boolean;
}

/**
 * Sets the contexts and keys of a machine against its register. The series leaves open whether contexts may share a key when keys run
 * short (cover letter of RFC v7, "Open questions"): this is what that would cost.
 *
 * @param kpkeys - the machine's kpkeys API, all plugins set up
 * @param register - its key register
 * @param owners - which plugin registered each key
 * @returns the budget
 */
export function keyBudget(kpkeys: Kpkeys, register: PkeyRegister, owners: ReadonlyMap<PkeyName, string>): KeyBudget {
  const wanted = [...kpkeys.pkeyNames]
    .map(([number, name]): KeyDemand => ({ name, number, owner: owners.get(name) ?? "unknown" }))
    .sort((a, b) => a.number - b.number);
  const names = wanted.map(({ name }) => name);
  const contexts = kpkeys.contextNames.map((name): ContextRow => ({
    name,
    rights: Object.fromEntries(names.map((key) => [key, kpkeys.rights(name, key)])),
  }));
  const pairs = names.slice(1).flatMap((one, at) => names.slice(at + 2).map((other) => [one, other] as const));
  const sharing = pairs
    .map((keys): SharedKeys => ({ keys, exposes: exposures(contexts, keys) }))
    .sort((a, b) => a.exposes.length - b.exposes.length);
  const fits = wanted.length <= register.keys;
  return { register: register.name, keys: register.keys, wanted, contexts, sharing, fits };
}

function exposures(contexts: readonly ContextRow[], [one, other]: readonly [PkeyName, PkeyName]): Exposure[] {
  return contexts.flatMap(({ name, rights }) => {
    const to = both(rights[one]!, rights[other]!);
    return [one, other]
      .map((key): Exposure => ({ context: name, key, from: rights[key]!, to }))
      .filter(({ from }) => from !== to);
  });
}

/** The rights of either: no two of them together are anything but one of them or `rwx`. */
function both(one: Rights, other: Rights): Rights {
  const has = (right: string): boolean =>
    (one !== "none" && one.includes(right)) || (other !== "none" && other.includes(right));
  const letters = ["r", "w", "x"].filter(has).join("");
  return letters === "" ? "none" : (letters as Rights);
}

/**
 * What two keys as one would open, in words.
 * @param shared - the keys
 * @returns a clause: `the context CRED could write the pages of PGTABLES`
 */
export function sharingText({ exposes }: SharedKeys): string {
  if (exposes.length === 0) return "no context could do more than now";
  return exposes
    .map(({ context, key, from, to }) => `the context ${context} could ${verbOf(from, to)} the pages of ${key}`)
    .join(" and ");
}

function verbOf(from: Rights, to: Rights): string {
  const gained = ["read", "write", "execute"].filter((verb) => {
    const letter = verb === "execute" ? "x" : verb[0]!;
    return to.includes(letter) && (from === "none" || !from.includes(letter));
  });
  return gained.join(" and ");
}

/**
 * Refuses a machine whose features want more keys than there are.
 * @param budget - its budget
 * @throws KpkeysError ERR_PKEY_EXHAUSTED, which names who wants which key, and the two keys whose sharing would open least
 */
export function checkKeyBudget({ register, keys, wanted, sharing, fits }: KeyBudget): void {
  if (fits) return;
  const list = wanted.map(({ name, owner }) => (owner === "kpkeys" ? name : `${name} (${owner})`)).join(", ");
  const [least] = sharing;
  const shared = least === undefined ? "" : `; were ${least.keys.join(" and ")} one key, ${sharingText(least)}`;
  throw new KpkeysError(
    "ERR_PKEY_EXHAUSTED",
    `${wanted.length} keys are wanted, and ${register} has ${keys}: ${list}`,
    {
      expected: `${wanted.length - keys === 1 ? "one feature" : "features"} less, or keys that are shared${shared}`,
    },
  );
}
