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
 * The error of a machine with too little memory. While a machine boots, buildMachine() replaces the advice by the smallest memory with
 * which the same specification boots.
 */
export class TooSmall extends KpkeysError {
  /**
   * @param description - the memory that is missing and its use
   * @param advice - an instruction that is also true if more memory does not help. Default: a machine with more memory
   */
  constructor(
    readonly description: string,
    advice = "use a machine with more memory",
  ) {
    super("ERR_OUT_OF_MEMORY", description, { advice });
  }
}

/**
 * The error of a machine without free pages.
 * @param use - the purpose of the allocation that failed
 */
export function outOfMemory(use: string): TooSmall {
  return new TooSmall(`cannot allocate ${use}: no page is free`);
}

/** A number of bytes in whole MiB, rounded up. @param bytes - the number */
export const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
