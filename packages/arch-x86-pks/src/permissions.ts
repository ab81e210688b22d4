import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import { NEEDS_DIRTY } from "@kpkeys/core/machine";
import type { Walk } from "@kpkeys/core/machine";
import { Bit, HighBit, KEY_SHIFT } from "./entry-bits.js";
import { AD, CR0_WP, CR4_PKE, CR4_PKS, CR4_SMAP, CR4_SMEP, keyField, RFLAGS_AC, WD } from "./registers.js";
import type { RegisterState } from "./registers.js";

// Local copies: docs/performance.md, "Imported bindings".
const { RW, US, D } = Bit;
const { FETCH, WRITE } = Access;
const { USER, UACCESS } = Privilege;
const { NONE, PERMISSION, PKEY } = FaultKind;
const EXECUTE_DISABLE: number = HighBit.XD;
const KEY: number = KEY_SHIFT;
const DIRTY: typeof NEEDS_DIRTY = NEEDS_DIRTY;

// The attributes of a TLB entry. RW, US and D have their positions in a page-table entry.
//
//   11   8      6     3    2    1
//    key        D     XD   US   RW

/** Whether some entry of the walk disables execution. */
const XD = 1 << 3;
/** Lowest bit of the key. */
const PACKED_KEY_SHIFT = 8;

/** Packs the attributes: a right must be set at every level; XD at one level is enough. @param walk - a walk that reached a leaf */
export function attributesOf({ high, low, tablesAndLow, tablesOrHigh }: Walk): number {
  const rights = low & tablesAndLow & (RW | US);
  const disabled = ((high | tablesOrHigh) & EXECUTE_DISABLE) !== 0 ? XD : 0;
  const key = (high >>> KEY) & 0xf;
  return rights | disabled | (low & D) | (key << PACKED_KEY_SHIFT);
}

/** The leaf's key. @param attributes - packed */
export function pkeyOf(attributes: number): number {
  return attributes >>> PACKED_KEY_SHIFT;
}

/** The rules of access rights of one CPU (SDM, volume 3, "Access Rights"). */
export class Permissions {
  /** @param state - the CPU's registers, read at each check */
  constructor(private readonly state: Readonly<RegisterState>) {}

  /**
   * Whether the entries and the key allow an access. The key is checked first: a denial by the key sets PK in the error code even if the
   * entries deny the access too ("Page-Fault Exceptions").
   * @param attributes - packed
   * @param access - the access
   * @param privilege - its privilege
   * @param pkrs - IA32_PKRS
   * @returns NONE, PERMISSION or PKEY; NEEDS_DIRTY if the hardware has to set D first
   */
  check(attributes: number, access: Access, privilege: Privilege, pkrs: number): FaultKind | -1 {
    if (this.keyDenies(attributes, access, privilege, pkrs)) return PKEY;
    if (!this.entriesAllow(attributes, access, privilege)) return PERMISSION;
    return (access & WRITE) !== 0 && (attributes & D) === 0 ? DIRTY : NONE;
  }

  /**
   * "Protection Keys": whether the key denies a data access. WDi applies if CR0.WP is 1, and to user accesses to user pages. A user access
   * to a supervisor page faults in any case; there the rule decides the PK bit of the error code.
   */
  private keyDenies(attributes: number, access: Access, privilege: Privilege, pkrs: number): boolean {
    const { CR0, CR4, PKRU } = this.state;
    const userPage = (attributes & US) !== 0;
    if ((CR4 & (userPage ? CR4_PKE : CR4_PKS)) === 0 || access === FETCH) return false;
    const field = keyField(userPage ? PKRU : pkrs, attributes >>> PACKED_KEY_SHIFT);
    if ((field & AD) !== 0) return true;
    const respectsWrite = (CR0 & CR0_WP) !== 0 || (userPage && privilege === USER);
    return (field & WD) !== 0 && (access & WRITE) !== 0 && respectsWrite;
  }

  /** "Determination of Access Rights": whether the entries allow the access. */
  private entriesAllow(attributes: number, access: Access, privilege: Privilege): boolean {
    const { CR0, CR4, RFLAGS } = this.state;
    const userPage = (attributes & US) !== 0;
    if (access === FETCH && (attributes & XD) !== 0) return false;
    if ((access & WRITE) !== 0 && (attributes & RW) === 0) {
      if (privilege === USER || (CR0 & CR0_WP) !== 0) return false;
    }
    if (privilege === USER) return userPage;
    if (!userPage) return true;
    if (access === FETCH) return (CR4 & CR4_SMEP) === 0;
    return (CR4 & CR4_SMAP) === 0 || privilege === UACCESS || (RFLAGS & RFLAGS_AC) !== 0;
  }
}
