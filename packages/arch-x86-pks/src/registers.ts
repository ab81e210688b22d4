import { KpkeysError } from "@kpkeys/core";
import type { Geometry, PkeyRegister, Rights, SystemRegisters, Words } from "@kpkeys/core/contracts";
import { hex } from "@kpkeys/core/machine";
import { X86_4_LEVELS, X86_5_LEVELS } from "./geometry.js";

// The bits of the control registers that decide an access (SDM, volume 3, chapter "System Architecture Overview").

/** CR0.WP, bit 16: supervisor writes respect read-only pages and WDi. */
export const CR0_WP: number = 1 << 16;
/** CR4.PAE, bit 5: always 1 in long mode. */
const CR4_PAE = 1 << 5;
/** CR4.PGE, bit 7: global pages. */
export const CR4_PGE: number = 1 << 7;
/** CR4.SMEP, bit 20: no supervisor-mode execution of user pages. */
export const CR4_SMEP: number = 1 << 20;
/** CR4.SMAP, bit 21: no supervisor-mode data access to user pages unless RFLAGS.AC is set. */
export const CR4_SMAP: number = 1 << 21;
/** CR4.LA57, bit 12: 5-level paging. */
export const CR4_LA57: number = 1 << 12;
/** CR4.PKE, bit 22: PKRU controls user-mode addresses. */
export const CR4_PKE: number = 1 << 22;
/** CR4.PKS, bit 24: IA32_PKRS controls supervisor-mode addresses. */
export const CR4_PKS: number = 1 << 24;
/** IA32_EFER.NXE, bit 11: XD means execute-disable, else it is reserved. */
export const EFER_NXE: number = 1 << 11;
/** RFLAGS.AC, bit 18: suspends SMAP for explicit supervisor-mode accesses. */
export const RFLAGS_AC: number = 1 << 18;

/** CR0 of Linux: PG, AM, WP, NE, ET, MP, PE. */
const CR0_LINUX = 0x80050033 | 0;
/** EFER of Linux: NXE, LMA, LME, SCE. */
const EFER_LINUX = EFER_NXE | 0x501;
/** PKRU as Linux starts a process: key 0 open, all other keys access-disabled. */
const PKRU_LINUX = 0x55555554;
/** RFLAGS bit 1, which is always 1. */
const RFLAGS_FIXED = 1 << 1;

/** Values of the registers, 32 bits each, by the manual's names. */
export interface RegisterState {
  /** Control register 0. */
  CR0: number;
  /** Control register 4. */
  CR4: number;
  /** IA32_EFER. */
  EFER: number;
  /** Flags register. */
  RFLAGS: number;
  /** Key rights of user-mode addresses, laid out as IA32_PKRS. */
  PKRU: number;
}

/** The registers of one CPU, by name for tools and as words for the rules of translation. */
export interface X86SystemRegisters extends SystemRegisters {
  /** The values, as int32. */
  readonly state: Readonly<RegisterState>;
}

/**
 * Makes the registers with the values that Linux sets: write protection, execute-disable, global pages, SMEP, SMAP and protection keys
 * for user pages are on. Keys for supervisor pages are on if the CPU has them.
 *
 * @param pkeys - whether the CPU has PKS; if not, CR4.PKS is a reserved bit
 * @param geometry - the shape of the tables, which decides CR4.LA57; 4-level paging if left out
 * @returns the registers
 */
export function createSystemRegisters(pkeys: boolean, geometry: Geometry = X86_4_LEVELS): X86SystemRegisters {
  const la57 = geometry === X86_5_LEVELS ? CR4_LA57 : 0;
  const state: RegisterState = {
    CR0: CR0_LINUX,
    CR4: CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PKE | (pkeys ? CR4_PKS : 0) | la57,
    EFER: EFER_LINUX,
    RFLAGS: RFLAGS_FIXED,
    PKRU: PKRU_LINUX,
  };
  const names = Object.keys(state) as (keyof RegisterState)[];

  function nameOf(name: string): keyof RegisterState {
    const found = names.find((known) => known === name);
    if (found !== undefined) return found;
    throw new KpkeysError("ERR_SPEC", `unknown register '${name}'`, {
      expected: names.join(", "),
    });
  }

  return {
    state,
    names,
    read: (name) => BigInt(state[nameOf(name)] >>> 0),
    write(name, value) {
      const register = nameOf(name);
      const low = Number(BigInt.asIntN(32, value));
      if (BigInt(low >>> 0) !== value) {
        throw new KpkeysError("ERR_SPEC", `cannot write ${hex(value)} to ${name}: the register has 32 bits`, {
          expected: "0 to 0xffffffff",
        });
      }
      if (register === "CR4" && !pkeys && (low & CR4_PKS) !== 0) {
        throw new KpkeysError("ERR_SPEC", "cannot set CR4.PKS: the CPU has no PKS", {
          expected: "bit 24 to be 0, or the option pkeys: true",
        });
      }
      state[register] = low;
    },
  };
}

// IA32_PKRS and PKRU (SDM, volume 3, "Protection Keys"): two bits a key.
//
//   31   30        3    2    1    0
//   WD15 AD15 ...  WD1  AD1  WD0  AD0

/** Access-disable, in a key's field: no data access. */
export const AD = 1;
/** Write-disable, in a key's field: no data write. */
export const WD = 2;

/**
 * A key's field of IA32_PKRS or PKRU.
 *
 * @param value - the register
 * @param key - 0 to 15
 * @returns {@link AD} and {@link WD}
 */
export function keyField(value: number, key: number): number {
  return (value >>> (key << 1)) & (AD | WD);
}

const FIELDS: Readonly<Record<Rights, number>> = { none: AD, r: WD, rx: WD, rw: 0, rwx: 0 };

function atKey(key: number, field: number): Words {
  return { high: 0, low: field << (key << 1) };
}

/**
 * IA32_PKRS, MSR 0x6E1. Keys deny data accesses only, never execution. A WRMSR to it is ordered before all later accesses that its keys
 * control, as WRPKRU is (SDM, volume 2), so a write needs no synchronisation.
 */
export const IA32_PKRS: PkeyRegister = {
  name: "IA32_PKRS",
  keys: 16,
  synchronisation: "immediate",
  unused: "none",
  fieldMask: (key) => atKey(key, AD | WD),
  field: (key, rights) => atKey(key, FIELDS[rights]),
  rightsOf(_high, low, key) {
    const field = keyField(low, key);
    if ((field & AD) !== 0) return "x";
    return (field & WD) !== 0 ? "rx" : "rwx";
  },
};
