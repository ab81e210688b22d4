import { KpkeysError } from "@kpkeys/core";

/**
 * What a BUG() of Linux is here.
 * @param doing - the kernel function that found the rule broken
 * @param what - what it found
 * @param expected - the rule
 */
export function kernelBug(doing: string, what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_KERNEL_BUG", what, { where: doing, expected });
}
