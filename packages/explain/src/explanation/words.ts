import type { PkeyRegister, Words } from "@kpkeys/core/contracts";

/**
 * Joins a list for a sentence.
 *
 * @param items - the items
 * @returns `a`, `a and b`, `a, b and c`
 */
export function listed(items: readonly string[]): string {
  return items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)!}`;
}

/** @returns the verb that agrees with a list */
export function wasOrWere(items: readonly unknown[]): string {
  return items.length === 1 ? "was" : "were";
}

/** The rights of a key register, in words. */
const RIGHTS: Readonly<Record<string, string>> = {
  none: "no access",
  r: "read-only",
  w: "write-only",
  x: "execute-only",
  rw: "read-write",
  rx: "read and execute",
  wx: "write and execute",
  rwx: "read, write and execute",
};

/**
 * Returns the rights of a key register's value on a key, in words. Execution is omitted if the register cannot deny it.
 *
 * @param register - the layout
 * @param high - bits 63 to 32 of the value
 * @param low - bits 31 to 0
 * @param key - the key
 */
export function rightsInWords(register: PkeyRegister, high: number, low: number, key: number): string {
  const rights = register.rightsOf(high, low, key);
  const readOnly = register.field(key, "r");
  const canDenyExecution = register.rightsOf(readOnly.high, readOnly.low, key) === "r";
  const shown = canDenyExecution ? rights : rights.replace("x", "") || "none";
  return RIGHTS[shown]!;
}

/**
 * Returns the right of execution that the register for fetches gives on a key, in words.
 *
 * @param register - the layout, with a register for fetches
 * @param fetch - the value of that register
 * @param key - the key
 */
export function fetchInWords(register: PkeyRegister, fetch: Words, key: number): string {
  const { high, low } = register.field(key, "rwx");
  return register.rightsOf(high, low, key, fetch).includes("x") ? "executable" : "not executable";
}
