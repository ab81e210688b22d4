import { KpkeysError } from "@kpkeys/core";
import type { PkeyRegister, Rights, SystemRegisters, Words } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { ARM64_4K_48 } from "./geometry.js";
import { tcrOf, TCR_HA, TCR_HD, TCR_HPD0, TCR_HPD1 } from "./tcr.js";

// The bits of the system registers that decide a stage 1 translation at EL1&0 (Arm ARM, "General system control registers").

/** SCTLR_EL1.WXN, bit 19: a writable page is not executable. */
export const SCTLR_WXN: bigint = 1n << 19n;
/** SCTLR_EL1.EPAN, bit 57: PAN covers pages that EL0 can only execute. */
export const SCTLR_EPAN: bigint = 1n << 57n;
/** TCR2_EL1.PIE, bit 1: base permissions are indirect. */
export const TCR2_PIE: bigint = 1n << 1n;
/** TCR2_EL1.E0POE, bit 2: POR_EL0 overlays unprivileged accesses. */
export const TCR2_E0POE: bigint = 1n << 2n;
/** TCR2_EL1.POE, bit 3: POR_EL1 overlays privileged accesses. */
export const TCR2_POE: bigint = 1n << 3n;
/** PSTATE.PAN, bit 22: no privileged data access to pages that EL0 can access. */
export const PSTATE_PAN: bigint = 1n << 22n;

/** SCTLR_EL1 with M, C, I and EPAN. */
const SCTLR_LINUX = SCTLR_EPAN | 0x1005n;
/** PSTATE of EL1h with PAN. */
const PSTATE_LINUX = PSTATE_PAN | 5n;

// Base permissions by PIIndex, a nibble each: the kernel's PIE_E0 and PIE_E1 (asm/pgtable-prot.h). The series makes the privileged
// permissions overlayable (patch "arm64: mm: Enable overlays for all EL1 indirect permissions").
//
//   PIIndex   f       e       d         c          b    a            9       8           7            5              4
//             SHARED  KERNEL  READONLY  KERNEL_RO  GCS  KERNEL_EXEC  GCS_RO  KERNEL_ROX  SHARED_EXEC  READONLY_EXEC  EXECONLY

const PIRE0_LINUX = 0x5010908070320000n;
const PIR_LINUX = 0xcc880e0ac0800000n;
const PIR_KPKEYS = 0x5511070350100000n;

/** POR_EL0 as Linux starts a process: all rights on key 0, none on the others. */
const POR_EL0_LINUX = 0x7n;

/** The fields of the registers that the rules read. */
export interface Controls {
  /** SCTLR_EL1.WXN. */
  wxn: boolean;
  /** SCTLR_EL1.EPAN. */
  epan: boolean;
  /** TCR_EL1.HA. */
  ha: boolean;
  /** TCR_EL1.HD, which has an effect only with HA. */
  hd: boolean;
  /** TCR_EL1.HPD0. */
  hpd0: boolean;
  /** TCR_EL1.HPD1. */
  hpd1: boolean;
  /** TCR2_EL1.PIE. */
  pie: boolean;
  /** TCR2_EL1.E0POE. */
  e0poe: boolean;
  /** TCR2_EL1.POE. */
  poe: boolean;
  /** PSTATE.PAN. */
  pan: boolean;
  /** PIR_EL1, bits 63 to 32. */
  pirHigh: number;
  /** PIR_EL1, bits 31 to 0. */
  pirLow: number;
  /** PIRE0_EL1, bits 63 to 32. */
  pire0High: number;
  /** PIRE0_EL1, bits 31 to 0. */
  pire0Low: number;
  /** POR_EL0, bits 31 to 0: the keys that a leaf can select. */
  porEl0Low: number;
  /** Number of writes: values derived from the fields are valid for one version. */
  version: number;
}

/** Decodes the value of each register into the fields. */
const DECODERS: Readonly<Record<string, (controls: Controls, value: bigint) => void>> = {
  SCTLR_EL1(controls, value) {
    controls.wxn = (value & SCTLR_WXN) !== 0n;
    controls.epan = (value & SCTLR_EPAN) !== 0n;
  },
  TCR_EL1(controls, value) {
    controls.ha = (value & TCR_HA) !== 0n;
    controls.hd = controls.ha && (value & TCR_HD) !== 0n;
    controls.hpd0 = (value & TCR_HPD0) !== 0n;
    controls.hpd1 = (value & TCR_HPD1) !== 0n;
  },
  TCR2_EL1(controls, value) {
    controls.pie = (value & TCR2_PIE) !== 0n;
    controls.e0poe = (value & TCR2_E0POE) !== 0n;
    controls.poe = (value & TCR2_POE) !== 0n;
  },
  PIR_EL1(controls, value) {
    ({ high: controls.pirHigh, low: controls.pirLow } = toWords(value));
  },
  PIRE0_EL1(controls, value) {
    ({ high: controls.pire0High, low: controls.pire0Low } = toWords(value));
  },
  POR_EL0(controls, value) {
    controls.porEl0Low = toWords(value).low;
  },
  PSTATE(controls, value) {
    controls.pan = (value & PSTATE_PAN) !== 0n;
  },
};

/** The registers of one CPU, by name for tools and as decoded fields for the rules of translation. */
export interface Arm64SystemRegisters extends SystemRegisters {
  /** The fields, decoded at each write. */
  readonly controls: Readonly<Controls>;
}

/**
 * Makes the registers with the values that Linux sets: indirect permissions, hardware access flag and dirty state, PAN with EPAN, and
 * overlays at both exception levels if the CPU has them.
 *
 * @param pkeys - whether the CPU has FEAT_S1POE; if not, TCR2_EL1.POE and E0POE are reserved
 * @param tcr - TCR_EL1; that of pages of 4 KiB and 48-bit addresses if left out
 * @returns the registers
 */
export function createSystemRegisters(
  pkeys: boolean,
  tcr: bigint = tcrOf(ARM64_4K_48, ARM64_4K_48.outputBits),
): Arm64SystemRegisters {
  const values: Record<string, bigint> = {
    SCTLR_EL1: SCTLR_LINUX,
    TCR_EL1: tcr,
    TCR2_EL1: pkeys ? TCR2_PIE | TCR2_E0POE | TCR2_POE : TCR2_PIE,
    PIR_EL1: pkeys ? PIR_KPKEYS : PIR_LINUX,
    PIRE0_EL1: PIRE0_LINUX,
    POR_EL0: POR_EL0_LINUX,
    PSTATE: PSTATE_LINUX,
  };
  const names = Object.keys(values);

  function read(name: string): bigint {
    const value = values[name];
    if (value !== undefined) return value;
    throw new KpkeysError("ERR_SPEC", `unknown register '${name}'`, {
      expected: names.join(", "),
    });
  }

  const controls: Controls = {
    wxn: false,
    epan: false,
    ha: false,
    hd: false,
    hpd0: false,
    hpd1: false,
    pie: false,
    e0poe: false,
    poe: false,
    pan: false,
    pirHigh: 0,
    pirLow: 0,
    pire0High: 0,
    pire0Low: 0,
    porEl0Low: 0,
    version: 0,
  };
  for (const [name, value] of Object.entries(values)) DECODERS[name]!(controls, value);

  return {
    controls,
    names,
    read,
    write(name, value) {
      read(name);
      if (BigInt.asUintN(64, value) !== value) {
        throw new KpkeysError("ERR_SPEC", `cannot write ${value} to ${name}: the register has 64 bits`, {
          expected: "0 to 2^64 - 1",
        });
      }
      if (name === "TCR2_EL1" && !pkeys && (value & (TCR2_POE | TCR2_E0POE)) !== 0n) {
        throw new KpkeysError("ERR_SPEC", "cannot enable overlays in TCR2_EL1: the CPU has no FEAT_S1POE", {
          expected: "bits 2 and 3 to be 0, or the option pkeys: true",
        });
      }
      values[name] = value;
      DECODERS[name]!(controls, value);
      controls.version++;
    },
  };
}

// POR_EL1 and POR_EL0 (Arm ARM): four bits a key. POIndex has three bits and selects one of eight keys.
//
//   63 ......... 32   31  30 29 28     7  6 5 4   3  2 1 0
//   unused            0   W  X  R  ... 0  W X R   0  W X R
//                         key 7           key 1      key 0

/** A right of a permission overlay. */
export const Right = {
  /** Read. */
  R: 1,
  /** Execute. */
  X: 2,
  /** Write. */
  W: 4,
} as const;

/**
 * A key's overlay. Values above 7 are reserved and allow nothing.
 *
 * @param low - bits 31 to 0 of POR_EL1 or POR_EL0
 * @param key - 0 to 7
 * @returns a sum of {@link Right} values
 */
export function overlayOf(low: number, key: number): number {
  const overlay = (low >>> (key << 2)) & 15;
  return overlay > 7 ? 0 : overlay;
}

const { R, X, W } = Right;
const FIELDS: Readonly<Record<Rights, number>> = { none: 0, r: R, rw: R | W, rx: R | X, rwx: R | W | X };
const RIGHTS = ["none", "r", "x", "rx", "w", "rw", "wx", "rwx"] as const;

function atKey(key: number, field: number): Words {
  return { high: 0, low: field << (key << 2) };
}

/** POR_EL1. A write of it waits for a context synchronisation event. */
export const POR_EL1: PkeyRegister = {
  name: "POR_EL1",
  keys: 8,
  synchronisation: "barrier",
  unused: "none",
  fieldMask: (key) => atKey(key, 15),
  field: (key, rights) => atKey(key, FIELDS[rights]),
  rightsOf: (_high, low, key) => RIGHTS[overlayOf(low, key)]!,
};
