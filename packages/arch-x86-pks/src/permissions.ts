import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import { NEEDS_DIRTY } from "@kpkeys/core/machine";
import type { TranslationRegime } from "@kpkeys/core/machine";
import { Bit, HighBit, KEY_SHIFT } from "./entry-bits.js";
import { AD, CR0_WP, CR4_PGE, CR4_PKE, CR4_PKS, CR4_SMAP, CR4_SMEP, keyField, RFLAGS_AC, WD } from "./registers.js";
import type { RegisterState } from "./registers.js";

// Local copies: docs/performance.md, "Imported bindings".
const { RW, US, D, G } = Bit;
const { FETCH, WRITE } = Access;
const { USER, UACCESS } = Privilege;
const { NONE, PERMISSION, PKEY } = FaultKind;
const EXECUTE_DISABLE: number = HighBit.XD;
const KEY: number = KEY_SHIFT;
const DIRTY: typeof NEEDS_DIRTY = NEEDS_DIRTY;

// What a TLB entry remembers of a leaf. RW, US and D stand where they stand in an entry.
//
//   11   8      6     3    2    1
//    key        D     XD   US   RW

/** Whether some entry of the walk disables execution. */
const XD = 1 << 3;
/** Lowest bit of the key. */
const PACKED_KEY_SHIFT = 8;

/** The rules of access rights: the part of a translation regime that this file gives. */
export type Permissions = Pick<TranslationRegime, "attributes" | "pkeyOf" | "isGlobal" | "check">;

/**
 * Makes the rules of access rights (SDM, volume 3, "Access Rights").
 *
 * @param state - the CPU's registers, read at each check
 * @returns the rules
 */
export function createPermissions(state: Readonly<RegisterState>): Permissions {
  /**
   * "Protection Keys": whether the key withholds a data access. WDi counts where CR0.WP is 1, and for user accesses to user pages.
   * A user access to a supervisor page faults in any case; there the rule decides the PK bit of the error code.
   */
  function keyDenies(attributes: number, access: Access, privilege: Privilege, pkrs: number): boolean {
    const userPage = (attributes & US) !== 0;
    if ((state.CR4 & (userPage ? CR4_PKE : CR4_PKS)) === 0 || access === FETCH) return false;
    const field = keyField(userPage ? state.PKRU : pkrs, attributes >>> PACKED_KEY_SHIFT);
    if ((field & AD) !== 0) return true;
    const respectsWrite = (state.CR0 & CR0_WP) !== 0 || (userPage && privilege === USER);
    return (field & WD) !== 0 && (access & WRITE) !== 0 && respectsWrite;
  }

  /** "Determination of Access Rights": whether the entries allow the access. */
  function entriesAllow(attributes: number, access: Access, privilege: Privilege): boolean {
    const userPage = (attributes & US) !== 0;
    if (access === FETCH && (attributes & XD) !== 0) return false;
    if ((access & WRITE) !== 0 && (attributes & RW) === 0) {
      if (privilege === USER || (state.CR0 & CR0_WP) !== 0) return false;
    }
    if (privilege === USER) return userPage;
    if (!userPage) return true;
    if (access === FETCH) return (state.CR4 & CR4_SMEP) === 0;
    return (state.CR4 & CR4_SMAP) === 0 || privilege === UACCESS || (state.RFLAGS & RFLAGS_AC) !== 0;
  }

  return {
    // A right must be given at every level; XD at one level is enough.
    attributes({ high, low, tablesAndLow, tablesOrHigh }) {
      const rights = low & tablesAndLow & (RW | US);
      const disabled = ((high | tablesOrHigh) & EXECUTE_DISABLE) !== 0 ? XD : 0;
      const key = (high >>> KEY) & 0xf;
      return rights | disabled | (low & D) | (key << PACKED_KEY_SHIFT);
    },
    pkeyOf: (attributes) => attributes >>> PACKED_KEY_SHIFT,
    isGlobal: ({ low }) => (low & G) !== 0 && (state.CR4 & CR4_PGE) !== 0,
    // The key is asked first because the error code shows its denial whatever else denies (section 4.7).
    check(attributes, access, privilege, _pkeyHigh, pkeyLow) {
      if (keyDenies(attributes, access, privilege, pkeyLow)) return PKEY;
      if (!entriesAllow(attributes, access, privilege)) return PERMISSION;
      return (access & WRITE) !== 0 && (attributes & D) === 0 ? DIRTY : NONE;
    },
  };
}
