import { token } from "../token.js";
import type { Token } from "../token.js";

/**
 * Random numbers of the kernel: `get_random_bytes()`. They follow from the seed of the machine's specification, so that equal machines have
 * equal secrets; they are not numbers of a cryptographic generator.
 */
export interface KernelRandom {
  /** The next number: an integer from 0 to 2^32 - 1. */
  word(): number;
}

/** Token of {@link KernelRandom}. */
export const KernelRandom: Token<KernelRandom> = token("KernelRandom");
