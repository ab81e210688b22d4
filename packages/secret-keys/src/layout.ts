/**
 * The secrets of a thread in their slot: `struct ptrauth_keys_user` and `struct ptrauth_keys_kernel` of arm64's
 * `<asm/pointer_auth.h>`, byte offsets. A key has 128 bits: the low word, then the high word, as in APIAKeyLo_EL1 and APIAKeyHi_EL1.
 *
 * ```text
 *  0        16       32       48       64       80              96          128
 *  | APIA   | APIB   | APDA   | APDB   | APGA   | APIA (kernel) | always 0  |
 *  |<---------------- user keys --------------->|<- kernel key >|
 * ```
 */
export const SECRETS: Readonly<Record<"user" | "kernel" | "size" | "slot" | "key", number>> = {
  /** The five keys of user mode. */
  user: 0,
  /** The key of kernel mode. */
  kernel: 80,
  /** Bytes of all keys. */
  size: 96,
  /** Bytes from one slot to the next: a multiple of a cache line that divides each page size. */
  slot: 128,
  /** Bytes of a key. */
  key: 16,
};

/** The keys of user mode, as bits of `prctl(PR_PAC_RESET_KEYS)`: bit n is the n-th key of the slot. */
export const PacKey = {
  /** PR_PAC_APIAKEY: instruction addresses, key A. */
  APIA: 1,
  /** PR_PAC_APIBKEY: instruction addresses, key B. */
  APIB: 2,
  /** PR_PAC_APDAKEY: data addresses, key A. */
  APDA: 4,
  /** PR_PAC_APDBKEY: data addresses, key B. */
  APDB: 8,
  /** PR_PAC_APGAKEY: generic authentication. */
  APGA: 16,
} as const;

/** All bits of {@link PacKey}. */
export const ALL_KEYS = 31;
