import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import { NEEDS_DIRTY } from "@kpkeys/core/machine";
import type { TranslationRegime, Walk } from "@kpkeys/core/machine";
import { Bit, POINDEX_SHIFT } from "./format.js";
import { overlayOf, Right } from "./registers.js";
import type { Controls } from "./registers.js";

// What a TLB entry remembers of a leaf: bits of the descriptor and, ORed, of the tables above. What they mean is asked of the
// registers at each check.
//
//   Bits 4 to 0 come from bits 7, 54, 53, 51 and 6 of the descriptor.
//
//   12      11       10       9         8         7   5    4      3    2    1    0
//   kernel  APTable  APTable  UXNTable  PXNTable  POIndex  AP[2]  UXN  PXN  DBM  AP[1]
//   half    [1]      [0]                                          └───── PIIndex ─────┘

const AP1 = 0x1;
const DBM = 0x2;
const PXN = 0x4;
const UXN = 0x8;
const PIINDEX = AP1 | DBM | PXN | UXN;
const AP2 = 0x10;
const KEY_SHIFT = 5;
const TABLES_SHIFT = 8;
const PXN_TABLE = 0x100;
const UXN_TABLE = 0x200;
const AP_TABLE_NO_EL0 = 0x400;
const AP_TABLE_READ_ONLY = 0x800;
const KERNEL_HALF = 0x1000;

// What is imported is loaded each time; what stands here is folded.
const { R, X, W } = Right;
const { USER: EL0, UACCESS } = Privilege;
const { FETCH } = Access;
const { NONE, PERMISSION, PKEY } = FaultKind;
const DIRTY_FIRST: typeof NEEDS_DIRTY = NEEDS_DIRTY;
const { NG } = Bit;
const POINDEX: number = POINDEX_SHIFT;

/** Beside {@link Right}: the overlay applies. */
const OVERLAY = 8;
/** Beside {@link Right}: writable and executable exclude each other. */
const WXN = 16;
/** Beside {@link Right}: guarded control stack. */
const GCS = 32;
/** All base permissions. */
const BASE = R | X | W | GCS;

/** Base permissions by the nibble of PIR_EL1 or PIRE0_EL1 (Arm ARM, section D8.4); 4, b, d and f are reserved. */
const INDIRECT = [
  ...[0, R, X, R | X, 0, R | W, R | W | X | WXN, R | W | X].map((rights) => rights | OVERLAY),
  ...[R, R | GCS, R | X, 0, R | W, 0, R | W | X, 0],
];

/** The rules of rights of one CPU. */
export interface Permissions extends Pick<TranslationRegime, "attributes" | "pkeyOf" | "isGlobal" | "check"> {
  /**
   * Whether nothing denies a write but that the page is not marked dirty.
   * @param attributes - of a leaf whose overlay allows the access
   * @param access - what is done
   * @param privilege - on whose behalf
   */
  lacksDirtyState(attributes: number, access: Access, privilege: Privilege): boolean;
}

/**
 * Makes the rules of rights: direct and indirect base permissions, PAN, WXN and overlays (Arm ARM, section D8.4).
 *
 * @param controls - the fields of the CPU's registers, read at each check
 * @returns the rules
 */
export function createPermissions(controls: Readonly<Controls>): Permissions {
  /** Indirect permissions by PIIndex, the privileged ones first; as of the registers' version. */
  const indirect = new Int32Array(32);
  let version = -1;

  /** Right bits that an access needs: read and write stand apart in both encodings, and a fetch is X. */
  function needsOf(access: Access): number {
    return access === FETCH ? X : (access & R) | ((access << 1) & W);
  }

  /** LDTR and STTR are unprivileged; they only move data. */
  function isUnprivileged(access: Access, privilege: Privilege): boolean {
    return privilege === EL0 || (privilege === UACCESS && access !== FETCH);
  }

  function base(attributes: number, needs: number, unprivileged: boolean): number {
    if (!controls.pie) return direct(attributes, needs, unprivileged);
    if (controls.version !== version) decodeIndirect();
    return indirect[(attributes & PIINDEX) | (unprivileged ? 16 : 0)]!;
  }

  function decodeIndirect(): void {
    for (let index = 0; index < 16; index++) {
      const shift = (index & 7) << 2;
      const nibble = ((index > 7 ? controls.pirHigh : controls.pirLow) >>> shift) & 15;
      const nibbleEl0 = ((index > 7 ? controls.pire0High : controls.pire0Low) >>> shift) & 15;
      const rights = INDIRECT[nibble]!;
      const rightsEl0 = INDIRECT[nibbleEl0]!;
      // What the kernel executes, the user must not write: else neither gets anything.
      const unsafe = (rights & (X | GCS)) !== 0 && (rightsEl0 & (W | GCS)) !== 0;
      const barred = controls.pan && nibbleEl0 !== 0 ? R | W : 0;
      indirect[index] = rights & ~(unsafe ? BASE : barred);
      indirect[index | 16] = rightsEl0 & ~(unsafe ? BASE : 0);
    }
    version = controls.version;
  }

  function direct(attributes: number, needs: number, unprivileged: boolean): number {
    // With hardware dirty state DBM makes a page writable, whatever AP[2] says.
    const readOnly = (attributes & AP2) !== 0 && !(controls.hd && (attributes & DBM) !== 0);
    const tables = ignoresTables(attributes) ? 0 : attributes;
    const writable = !readOnly && (tables & AP_TABLE_READ_ONLY) === 0;
    const el0 = (attributes & AP1) !== 0 && (tables & AP_TABLE_NO_EL0) === 0;
    const el0Executes = (attributes & UXN) === 0 && (tables & UXN_TABLE) === 0;
    const el1Executes = (attributes & PXN) === 0 && (tables & PXN_TABLE) === 0 && !(el0 && writable);
    // PAN is for data accesses: to a fetch the page is as writable as without it, which counts for WXN.
    const el1Barred = controls.pan && needs !== X && (el0 || (controls.epan && el0Executes));
    let rights = OVERLAY;
    if (unprivileged ? el0 : !el1Barred) rights |= writable ? R | W : R;
    if (unprivileged ? el0Executes : el1Executes) rights |= X;
    return controls.wxn && (rights & (W | X)) === (W | X) ? rights | WXN : rights;
  }

  /** Indirect permissions, overlays and HPD each switch the hierarchical permissions off. */
  function ignoresTables(attributes: number): boolean {
    return controls.poe || controls.e0poe || ((attributes & KERNEL_HALF) !== 0 ? controls.hpd1 : controls.hpd0);
  }

  function check(
    attributes: number,
    access: Access,
    privilege: Privilege,
    _pkeyHigh: number,
    pkeyLow: number,
  ): FaultKind | -1 {
    const needs = needsOf(access);
    const unprivileged = isUnprivileged(access, privilege);
    let rights = base(attributes, needs, unprivileged);
    if ((rights & OVERLAY) !== 0 && (unprivileged ? controls.e0poe : controls.poe)) {
      let overlay = overlayOf(unprivileged ? controls.porEl0Low : pkeyLow, (attributes >>> KEY_SHIFT) & 7);
      if ((rights & WXN) !== 0 && (overlay & X) !== 0) overlay &= ~W;
      if ((overlay & needs) !== needs) return PKEY;
    } else if ((rights & WXN) !== 0) {
      rights &= ~X;
    }
    if ((rights & needs) !== needs) return PERMISSION;
    if ((needs & W) === 0 || (attributes & AP2) === 0) return NONE;
    return controls.hd ? DIRTY_FIRST : PERMISSION;
  }

  return {
    attributes({ high, low, tablesOrHigh, kernelHalf }: Walk) {
      return (
        ((low >>> 6) & AP1) |
        ((high >>> 18) & DBM) |
        ((high >>> 19) & (PXN | UXN)) |
        ((low >>> 3) & AP2) |
        (((high >>> POINDEX) & 7) << KEY_SHIFT) |
        (((tablesOrHigh >>> 27) & 15) << TABLES_SHIFT) |
        (kernelHalf ? KERNEL_HALF : 0)
      );
    },
    pkeyOf: (attributes) => (attributes >>> KEY_SHIFT) & 7,
    isGlobal: ({ low }) => (low & NG) === 0,
    check,
    lacksDirtyState(attributes, access, privilege) {
      const needs = needsOf(access);
      if (!controls.pie || (attributes & AP2) === 0 || (needs & W) === 0) return false;
      return (base(attributes, needs, isUnprivileged(access, privilege)) & needs) === needs;
    },
  };
}
