/**
 * The default numbers of the keys: PGTABLES as in `asm-generic/kpkeys.h` of the series, and the next number for CRED of the credentials
 * series.
 */
export const GENERIC_PKEY_NUMBERS: Readonly<Record<string, number>> = { DEFAULT: 0, PGTABLES: 1, CRED: 2 };
