import type { Rights } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** All rights that a context can give on a key. */
export const RIGHTS: readonly Rights[] = ["none", "r", "rw", "rx", "rwx"];

/**
 * The accesses that at least one of two rights allows.
 * @param one - rights on a key
 * @param other - other rights on it
 * @returns their union: `r` and `rw` give `rw`
 */
export function unionOf(one: Rights, other: Rights): Rights {
  const letters = ["r", "w", "x"].filter((letter) => one.includes(letter) || other.includes(letter)).join("");
  return letters === "" ? "none" : (letters as Rights);
}

/**
 * Whether rights allow an access that other rights deny.
 * @param rights - rights on a key
 * @param limit - the rights that they are compared with
 */
export function exceeds(rights: Rights, limit: Rights): boolean {
  return unionOf(rights, limit) !== limit;
}

/**
 * Checks the name of a key or a context: a plugin in JavaScript may pass any value. Names are properties of objects.
 * @param what - `key` or `context`
 * @param name - the name
 * @throws KpkeysError ERR_PLUGIN_INVALID
 */
export function checkName(what: "key" | "context", name: unknown): void {
  if (typeof name === "string" && name !== "" && !(name in {})) return;
  throw new KpkeysError("ERR_PLUGIN_INVALID", `cannot use ${JSON.stringify(String(name))} as the name of a ${what}`, {
    expected: "a name in upper case, such as PGTABLES",
  });
}
