import { KpkeysError } from "@kpkeys/core";
import type { PkeyRegister, Rights, SystemRegisters, Words } from "@kpkeys/core/contracts";
import { KEYS } from "./format.js";

// KPR, the key register: five bits a key in the high word, of which three withhold rights.
//
//   63 47   46 45 44 43 42     41 40 39 38 37     36 35 34 33 32    31 0
//   0       0  0  nX nR nW     0  0  nX nR nW     0  0  nX nR nW    0
//           key 2              key 1              key 0

/** What a key's field withholds. */
export const Withheld = { WRITE: 1, READ: 2, FETCH: 4 } as const;

const FIELD_BITS = 5;
const FIELDS: Readonly<Record<Rights, number>> = { none: 7, r: 5, rw: 4, rx: 1, rwx: 0 };
const RIGHTS = ["rwx", "rx", "wx", "x", "rw", "r", "w", "none"] as const;

function atKey(key: number, field: number): Words {
  return { high: field << (key * FIELD_BITS), low: 0 };
}

/** A key's field of KPR. */
export function fieldOf(high: number, key: number): number {
  return (high >>> (key * FIELD_BITS)) & 7;
}

/** KPR. A write of it waits for a barrier. */
export const KPR: PkeyRegister = {
  name: "KPR",
  keys: KEYS,
  synchronisation: "barrier",
  unused: "none",
  fieldMask: (key) => atKey(key, 2 ** FIELD_BITS - 1),
  field: (key, rights) => atKey(key, FIELDS[rights]),
  rightsOf: (high, _low, key) => RIGHTS[fieldOf(high, key)]!,
};

/** KPR after reset: key 0 open, the others closed. */
export const KPR_RESET: Words = { high: atKey(1, 7).high | atKey(2, 7).high, low: 0 };

/** CTRL, bit 0: keys decide. */
const CTRL_KEYS = 1n;

/** The only system register, as tools see it and as the rules read it. */
export interface ControlRegister extends SystemRegisters {
  /** Its bits. */
  readonly controls: { keys: boolean };
}

export function createSystemRegisters(pkeys: boolean): ControlRegister {
  let ctrl = pkeys ? CTRL_KEYS : 0n;
  const controls = { keys: pkeys };

  function check(name: string): void {
    if (name !== "CTRL") throw new KpkeysError("ERR_SPEC", `there is no register '${name}'`, { expected: "CTRL" });
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
