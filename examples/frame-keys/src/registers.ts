import { KpkeysError } from "@kpkeys/core";
import type { PkeyRegister, Rights, SystemRegisters, Words } from "@kpkeys/core/contracts";

// SKR, the rights on storage keys: two bits for each of 16 keys.
//
//   63 32   31 30     ...  3 2      1 0
//   0       key 15         key 1    key 0     1: no data access, 2: no write

/** Bits of a key's field. */
export const Withheld = { DATA: 1, WRITE: 2 } as const;

const FIELDS: Readonly<Record<Rights, number>> = { none: 1, r: 2, rw: 0, rx: 2, rwx: 0 };

/** SKR. A write takes effect at once. It cannot withhold execution. */
export const SKR: PkeyRegister = {
  name: "SKR",
  keys: 16,
  synchronisation: "immediate",
  unused: "none",
  fieldMask: (key) => ({ high: 0, low: 3 << (2 * key) }),
  field: (key, rights) => ({ high: 0, low: FIELDS[rights] << (2 * key) }),
  rightsOf: (_high, low, key) => (["rwx", "x", "rx", "x"] as const)[(low >>> (2 * key)) & 3]!,
};

/** SKR after reset: all rights on all keys. */
export const SKR_RESET: Words = { high: 0, low: 0 };

/**
 * System registers.
 * @param values - their values by name; no other register exists
 */
export function systemRegisters(values: Record<string, bigint>): SystemRegisters {
  const known = (name: string): string => {
    if (Object.hasOwn(values, name)) return name;
    throw new KpkeysError("ERR_SPEC", `unknown register '${name}'`, { expected: Object.keys(values).join(", ") });
  };
  return {
    names: Object.keys(values),
    read: (name) => values[known(name)]!,
    write(name, value) {
      values[known(name)] = value;
    },
  };
}
