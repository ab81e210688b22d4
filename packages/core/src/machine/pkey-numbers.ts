/**
 * The numbers of the symbolic keys where an architecture has no reason for others: `asm-generic/kpkeys.h` of the series for
 * PGTABLES, and the next one for the credentials of its companion series.
 */
export const GENERIC_PKEY_NUMBERS: Readonly<Record<string, number>> = { DEFAULT: 0, PGTABLES: 1, CRED: 2 };
