import { KpkeysError } from "@kpkeys/core";

/**
 * The error where Linux has a BUG().
 * @param doing - the kernel function that detects the bug
 * @param what - the state that it detects
 * @param expected - the state that the function requires
 * @returns an error with code ERR_KERNEL_BUG
 */
export function kernelBug(doing: string, what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_KERNEL_BUG", what, { where: doing, expected });
}

/**
 * The error of a machine without free pages.
 * @param use - the purpose of the allocation that failed
 * @returns an error with code ERR_OUT_OF_MEMORY
 */
export function outOfMemory(use: string): KpkeysError {
  return new KpkeysError("ERR_OUT_OF_MEMORY", `cannot allocate ${use}: no page is free`, {
    expected: "a machine with more memory",
  });
}
