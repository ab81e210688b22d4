import type { Walk } from "@kpkeys/core/machine";
import { POINDEX_SHIFT } from "./entry-bits.js";
import { Right } from "./registers.js";
import type { Controls } from "./registers.js";

// The attributes of a TLB entry: bits of the leaf and, ORed, of the tables above. Each check decodes them with the registers of that
// moment.
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

// Local copies: docs/performance.md, "Imported bindings".
const { R, X, W } = Right;
const POINDEX: number = POINDEX_SHIFT;

/** With {@link Right}: the overlay applies. */
export const OVERLAY = 8;
/** With {@link Right}: writable and executable exclude each other. */
export const WXN = 16;
/** With {@link Right}: guarded control stack. */
const GCS = 32;
/** All base permissions. */
const BASE = R | X | W | GCS;

/** Base permissions by the nibble of PIR_EL1 or PIRE0_EL1 (Arm ARM, R_LLZDZ); 4, b, d and f are reserved. */
const INDIRECT = [
  ...[0, R, X, R | X, 0, R | W, R | W | X | WXN, R | W | X].map((rights) => rights | OVERLAY),
  ...[R, R | GCS, R | X, 0, R | W, 0, R | W | X, 0],
];

/**
 * Packs the attributes of a TLB entry.
 * @param walk - a walk that reached a leaf
 * @returns the attributes
 */
export function attributesOf({ high, low, tablesOrHigh, kernelHalf }: Walk): number {
  return (
    ((low >>> 6) & AP1) |
    ((high >>> 18) & DBM) |
    ((high >>> 19) & (PXN | UXN)) |
    ((low >>> 3) & AP2) |
    (((high >>> POINDEX) & 7) << KEY_SHIFT) |
    (((tablesOrHigh >>> 27) & 15) << TABLES_SHIFT) |
    (kernelHalf ? KERNEL_HALF : 0)
  );
}

/** The leaf's POIndex. @param attributes - packed */
export function pkeyOf(attributes: number): number {
  return (attributes >>> KEY_SHIFT) & 7;
}

/** AP[2], which with indirect permissions is the dirty state: 1 means clean. @param attributes - packed */
export function isReadOnlyOrClean(attributes: number): boolean {
  return (attributes & AP2) !== 0;
}

/** The base permissions of one CPU (Arm ARM, AArch64.S1DirectBasePermissions and AArch64.S1IndirectBasePermissions). */
export class BasePermissions {
  /** Indirect permissions by PIIndex, the privileged ones first; as of the registers' version. */
  private readonly indirect = new Int32Array(32);
  private version = -1;

  /** @param controls - the fields of the CPU's registers, read at each check */
  constructor(private readonly controls: Readonly<Controls>) {}

  /**
   * The rights of a leaf, {@link OVERLAY} and {@link WXN}.
   * @param attributes - packed
   * @param needs - the rights that the access needs
   * @param unprivileged - whether EL0's rights count
   */
  of(attributes: number, needs: number, unprivileged: boolean): number {
    if (!this.controls.pie) return this.direct(attributes, needs, unprivileged);
    if (this.controls.version !== this.version) this.decodeIndirect();
    return this.indirect[(attributes & PIINDEX) | (unprivileged ? 16 : 0)]!;
  }

  private decodeIndirect(): void {
    const { pan, pirHigh, pirLow, pire0High, pire0Low, version } = this.controls;
    for (let index = 0; index < 16; index++) {
      const shift = (index & 7) << 2;
      const nibble = ((index > 7 ? pirHigh : pirLow) >>> shift) & 15;
      const nibbleEl0 = ((index > 7 ? pire0High : pire0Low) >>> shift) & 15;
      const rights = INDIRECT[nibble]!;
      const rightsEl0 = INDIRECT[nibbleEl0]!;
      // A page that EL1 executes and EL0 writes has no permissions at all.
      const unsafe = (rights & (X | GCS)) !== 0 && (rightsEl0 & (W | GCS)) !== 0;
      const barred = pan && nibbleEl0 !== 0 ? R | W : 0;
      this.indirect[index] = rights & ~(unsafe ? BASE : barred);
      this.indirect[index | 16] = rightsEl0 & ~(unsafe ? BASE : 0);
    }
    this.version = version;
  }

  private direct(attributes: number, needs: number, unprivileged: boolean): number {
    const tables = this.ignoresTables(attributes) ? 0 : attributes;
    const writable = this.isWritable(attributes, tables);
    const el0 = isUsedByEl0(attributes, tables);
    const el0Executes = isExecutedByEl0(attributes, tables);
    const moves = unprivileged ? el0 : !this.isBarredByPan(needs, el0, el0Executes);
    const executes = unprivileged ? el0Executes : isExecutedByEl1(attributes, tables, el0 && writable);
    const rights = OVERLAY | (moves ? R : 0) | (moves && writable ? W : 0) | (executes ? X : 0);
    const excludes = this.controls.wxn && moves && writable && executes;
    return excludes ? rights | WXN : rights;
  }

  /** POE and E0POE switch the hierarchical permissions off (Arm ARM, R_BVXDG), and so do HPD0 and HPD1 (TCR_EL1). */
  private ignoresTables(attributes: number): boolean {
    const { poe, e0poe, hpd0, hpd1 } = this.controls;
    return poe || e0poe || ((attributes & KERNEL_HALF) !== 0 ? hpd1 : hpd0);
  }

  /** AP[2] and APTable[1] make a page read-only. With hardware dirty state DBM makes it writable, for both values of AP[2]. */
  private isWritable(attributes: number, tables: number): boolean {
    const hasDirtyState = this.controls.hd && (attributes & DBM) !== 0;
    return ((attributes & AP2) === 0 || hasDirtyState) && (tables & AP_TABLE_READ_ONLY) === 0;
  }

  /**
   * PAN denies EL1 data accesses to pages that EL0 can access and, with EPAN, to pages that EL0 can only execute. PAN does not change
   * whether WXN denies a fetch.
   */
  private isBarredByPan(needs: number, el0: boolean, el0Executes: boolean): boolean {
    const { pan, epan } = this.controls;
    return pan && needs !== X && (el0 || (epan && el0Executes));
  }
}

/** EL0 may read the page, and write it if it is writable, if AP[1] is set and APTable[0] is clear. */
function isUsedByEl0(attributes: number, tables: number): boolean {
  return (attributes & AP1) !== 0 && (tables & AP_TABLE_NO_EL0) === 0;
}

/** EL0 may execute the page if UXN and UXNTable are clear. */
function isExecutedByEl0(attributes: number, tables: number): boolean {
  return (attributes & UXN) === 0 && (tables & UXN_TABLE) === 0;
}

/** EL1 may execute the page if PXN and PXNTable are clear and EL0 cannot write it. */
function isExecutedByEl1(attributes: number, tables: number, el0Writes: boolean): boolean {
  return (attributes & PXN) === 0 && (tables & PXN_TABLE) === 0 && !el0Writes;
}
