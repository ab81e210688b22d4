import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import { NEEDS_DIRTY } from "@kpkeys/core/machine";
import type { TranslationRegime } from "@kpkeys/core/machine";
import { ADDRESS_BITS, ADDRESS_HIGH, Bit, keyOf, KEYS, RESERVED_HIGH, SHIFTS } from "./format.js";
import { fieldOf, KPR_RESET, Withheld } from "./registers.js";

const { LEAF, TABLE, TYPE, NO_WRITE, NO_KERNEL_FETCH, NO_USER, NO_USER_FETCH, OLD, CLEAN, LOCAL, RESERVED } = Bit;

// Attributes of a TLB entry: bits 13:0 of the leaf, and its key from bit 16 on.
const KEY_SHIFT = 16;

function rightWithheld(attributes: number, access: Access, privilege: Privilege): boolean {
  const userPage = (attributes & NO_USER) === 0;
  if (access === Access.FETCH) {
    if (privilege === Privilege.USER) return !userPage || (attributes & NO_USER_FETCH) !== 0;
    return (attributes & NO_KERNEL_FETCH) !== 0;
  }
  if (privilege === Privilege.USER && !userPage) return true;
  if (privilege === Privilege.KERNEL && userPage) return true;
  return (access & Access.WRITE) !== 0 && (attributes & NO_WRITE) !== 0;
}

function keyWithholds(field: number, access: Access): boolean {
  if (access === Access.FETCH) return (field & Withheld.FETCH) !== 0;
  const write = (access & Access.WRITE) !== 0 && (field & Withheld.WRITE) !== 0;
  return write || ((access & Access.READ) !== 0 && (field & Withheld.READ) !== 0);
}

/** The translation regime of one CPU. Base permissions are checked before the key. */
export function createRegime(controls: { readonly keys: boolean }): TranslationRegime {
  return {
    levels: SHIFTS.map((shift, level) => ({
      shift,
      typeMask: TYPE,
      table: level === SHIFTS.length - 1 ? -1 : TABLE,
      leaf: level === 0 ? -1 : LEAF,
    })),
    addressBits: ADDRESS_BITS,
    splitRoots: false,
    outputAddress: { highMask: ADDRESS_HIGH },
    asidBits: 8,
    tableAccessed: 0,
    pkeyRegisterNeedsBarrier: true,
    pkeyRegisterReset: KPR_RESET,
    nonCanonicalFault: FaultKind.ADDRESS_SIZE,
    faultDropsTranslation: false,
    checkEntry(_level, isLeaf, high, low) {
      if ((low & RESERVED) !== 0) return FaultKind.RESERVED;
      if (!isLeaf) return (high & ~ADDRESS_HIGH) === 0 ? FaultKind.NONE : FaultKind.RESERVED;
      return (high & RESERVED_HIGH) === 0 && keyOf(high) < KEYS ? FaultKind.NONE : FaultKind.RESERVED;
    },
    checkLeaf: () => FaultKind.NONE,
    attributes: ({ high, low }) => (low & 0x3fff) | (keyOf(high) << KEY_SHIFT),
    pkeyOf: (attributes) => attributes >>> KEY_SHIFT,
    isGlobal: ({ low }) => (low & LOCAL) === 0,
    check(attributes, access, privilege, pkeyHigh) {
      if (rightWithheld(attributes, access, privilege)) return FaultKind.PERMISSION;
      const kernelPage = (attributes & NO_USER) !== 0;
      if (controls.keys && kernelPage && keyWithholds(fieldOf(pkeyHigh, attributes >>> KEY_SHIFT), access)) {
        return FaultKind.PKEY;
      }
      return (access & Access.WRITE) !== 0 && (attributes & CLEAN) !== 0 ? NEEDS_DIRTY : FaultKind.NONE;
    },
    updateLeaf(walk, access) {
      walk.low &= (access & Access.WRITE) !== 0 ? ~(OLD | CLEAN) : ~OLD;
    },
    syndrome(kind, walk, _attributes, access, privilege, syndrome) {
      syndrome.high = 0;
      syndrome.low = kind | (walk.level << 4) | (access << 8) | (privilege << 12);
    },
  };
}
