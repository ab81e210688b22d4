import { KpkeysError } from "@kpkeys/core";
import type { PkeyRegister, Rights, SystemRegisters, Words } from "@kpkeys/core/contracts";
import { KEYS } from "./format.js";

// KPR, the key register: five bits for each key in the high word; three of them withhold rights.
//
//   63 47   46 45 44 43 42     41 40 39 38 37     36 35 34 33 32    31 0
//   0       0  0  nX nR nW     0  0  nX nR nW     0  0  nX nR nW    0
//           key 2              key 1              key 0

/** Bits of a key's field. Each withholds a right. */
export const Withheld = { WRITE: 1, READ: 2, FETCH: 4 } as const;

const FIELD_BITS = 5;
const FIELDS: Readonly<Record<Rights, number>> = { none: 7, r: 5, rw: 4, rx: 1, rwx: 0 };
const RIGHTS = ["rwx", "rx", "wx", "x", "rw", "r", "w", "none"] as const;

function atKey(key: number, field: number): Words {
  return { high: field << (key * FIELD_BITS), low: 0 };
}

/** The field of a key in KPR. */
export function fieldOf(high: number, key: number): number {
  return (high >>> (key * FIELD_BITS)) & 7;
}

/** KPR. A write takes effect after a barrier. */
export const KPR: PkeyRegister = {
  name: "KPR",
  keys: KEYS,
  synchronisation: "barrier",
  unused: "none",
  fieldMask: (key) => atKey(key, 2 ** FIELD_BITS - 1),
  field: (key, rights) => atKey(key, FIELDS[rights]),
  rightsOf: (high, _low, key) => RIGHTS[fieldOf(high, key)]!,
};

/** KPR after reset: all rights on key 0, none on the other keys. */
export const KPR_RESET: Words = { high: atKey(1, 7).high | atKey(2, 7).high, low: 0 };

/** CTRL, bit 0: keys are enabled. */
const CTRL_KEYS = 1n;

/** CTRL, the only system register, for tools and for the translation regime. */
export interface ControlRegister extends SystemRegisters {
  /** Its decoded bits. */
  readonly controls: { keys: boolean };
}

export function createSystemRegisters(pkeys: boolean): ControlRegister {
  let ctrl = pkeys ? CTRL_KEYS : 0n;
  const controls = { keys: pkeys };

  function check(name: string): void {
    if (name !== "CTRL") throw new KpkeysError("ERR_SPEC", `unknown register '${name}'`, { expected: "CTRL" });
  }

  return {
    controls,
    names: ["CTRL"],
    read(name) {
      check(name);
      return ctrl;
    },
    write(name, value) {
      check(name);
      ctrl = value;
      controls.keys = pkeys && (value & CTRL_KEYS) !== 0n;
    },
  };
}
