import { KpkeysError } from "@kpkeys/core";

/**
 * The error of a machine whose pages are used up.
 * @param what - what the page was wanted for
 */
export function outOfMemory(what: string): KpkeysError {
  return new KpkeysError("ERR_OUT_OF_MEMORY", `no page left for ${what}`, { expected: "a machine with more memory" });
}
