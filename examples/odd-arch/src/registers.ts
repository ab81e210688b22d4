import { KpkeysError } from "@kpkeys/core";
import type { PkeyRegister, Rights, SystemRegisters, Words } from "@kpkeys/core/contracts";
import { KEYS } from "./format.js";

// AMR decides data accesses and IAMR fetches, as on POWER (Linux: pkeyshift(), AMR_RD_BIT, AMR_WR_BIT and IAMR_EX_BIT in
// arch/powerpc/mm/book3s64/pkeys.c). Each has two bits for a key, the highest ones for key 0. A bit withholds a right.
//
//           63  62    61  60    59  58          1   0
//   AMR     nW  nR    nW  nR    nW  nR    ...   nW  nR
//   IAMR    0   nX    0   nX    0   nX    ...   0   nX
//           key 0     key 1     key 2           key 31

/** Bits of a key's field. Each withholds a right: the first two in AMR, FETCH in IAMR. */
export const Withheld = { WRITE: 2, READ: 1, FETCH: 1 } as const;

const FIELD_BITS = 2;
const KEYS_IN_WORD = 16;
const DATA: Readonly<Record<Rights, number>> = { none: 3, r: 2, rw: 0, rx: 2, rwx: 0 };
const RIGHTS = ["rwx", "wx", "rx", "x", "rw", "w", "r", "none"] as const;

/** Lowest bit of a key's field in its word. */
function shiftOf(key: number): number {
  return (KEYS_IN_WORD - 1 - (key % KEYS_IN_WORD)) * FIELD_BITS;
}

function atKey(key: number, field: number): Words {
  const word = field << shiftOf(key);
  return key < KEYS_IN_WORD ? { high: word, low: 0 } : { high: 0, low: word };
}

/** The field of a key in a value of AMR or IAMR. */
export function fieldOf(high: number, low: number, key: number): number {
  return ((key < KEYS_IN_WORD ? high : low) >>> shiftOf(key)) & 3;
}

/** AMR and IAMR. A write takes effect after a barrier. */
export const AMR: PkeyRegister = {
  name: "AMR",
  fetchName: "IAMR",
  keys: KEYS,
  synchronisation: "barrier",
  unused: "none",
  fieldMask: (key) => ({ ...atKey(key, Withheld.WRITE | Withheld.READ), fetch: atKey(key, Withheld.FETCH) }),
  field: (key, rights) => ({
    ...atKey(key, DATA[rights]),
    fetch: atKey(key, rights.includes("x") ? 0 : Withheld.FETCH),
  }),
  rightsOf(high, low, key, fetch = { high: 0, low: 0 }) {
    const noFetch = (fieldOf(fetch.high, fetch.low, key) & Withheld.FETCH) !== 0;
    return RIGHTS[fieldOf(high, low, key) | (noFetch ? 4 : 0)]!;
  },
};

/** AMR after reset: all rights on key 0, none on the other keys. */
export const AMR_RESET: Words = { high: 0x3fffffff, low: -1 };
/** IAMR after reset: execution with key 0 only. */
export const IAMR_RESET: Words = { high: 0x15555555, low: 0x55555555 };

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
