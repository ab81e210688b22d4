import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import { NEEDS_DIRTY } from "@kpkeys/core/machine";
import type { TranslationRegime } from "@kpkeys/core/machine";
import { ADDRESS_BITS, ADDRESS_HIGH, Bit, HighBit, INDEX_BITS, keyOf } from "./format.js";
import { PAGE_SHIFT, RESERVED_HIGH, SHIFTS, TYPE_MASK } from "./format.js";
import { AMR_RESET, fieldOf, IAMR_RESET, Withheld } from "./registers.js";

const { VALID, LEAF } = HighBit;
const { EXEC, WRITE, READ, PRIVILEGED, CHANGED, REFERENCED, RESERVED } = Bit;

// Attributes of a TLB entry: bits 13:0 of the leaf, and its key from bit 16 on.
const ATTRIBUTES = 2 ** PAGE_SHIFT - 1;
const KEY_SHIFT = 16;

function rightWithheld(attributes: number, access: Access, privilege: Privilege): boolean {
  const privileged = (attributes & PRIVILEGED) !== 0;
  if (privileged !== (privilege === Privilege.KERNEL)) return true;
  if (access === Access.FETCH) return (attributes & EXEC) === 0;
  const needed = ((access & Access.READ) !== 0 ? READ : 0) | ((access & Access.WRITE) !== 0 ? WRITE : 0);
  return (attributes & needed) !== needed;
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
      typeMask: 0,
      table: level === SHIFTS.length - 1 ? -1 : 0,
      leaf: level === 0 ? -1 : 0,
      high: { typeMask: TYPE_MASK, table: VALID, leaf: VALID | LEAF },
    })),
    addressBits: ADDRESS_BITS,
    splitRoots: false,
    outputAddress: { highMask: ADDRESS_HIGH },
    asidBits: 8,
    tableAccessed: 0,
    pkeyRegisterNeedsBarrier: true,
    pkeyRegisterReset: AMR_RESET,
    fetchRegisterReset: IAMR_RESET,
    nonCanonicalFault: FaultKind.ADDRESS_SIZE,
    faultDropsTranslation: false,
    checkEntry(_level, isLeaf, high, low) {
      const wellFormed = isLeaf
        ? (low & RESERVED) === 0 && (high & RESERVED_HIGH) === 0
        : (low & ATTRIBUTES) === INDEX_BITS && (high & ~(VALID | ADDRESS_HIGH)) === 0;
      return wellFormed ? FaultKind.NONE : FaultKind.RESERVED;
    },
    checkLeaf: () => FaultKind.NONE,
    attributes: ({ high, low }) => (low & ATTRIBUTES) | (keyOf(high) << KEY_SHIFT),
    pkeyOf: (attributes) => attributes >>> KEY_SHIFT,
    isGlobal: ({ low }) => (low & PRIVILEGED) !== 0,
    // For a fetch, the last two parameters are IAMR's value.
    check(attributes, access, privilege, pkeyHigh, pkeyLow) {
      if (rightWithheld(attributes, access, privilege)) return FaultKind.PERMISSION;
      const kernelPage = (attributes & PRIVILEGED) !== 0;
      if (controls.keys && kernelPage && keyWithholds(fieldOf(pkeyHigh, pkeyLow, attributes >>> KEY_SHIFT), access)) {
        return FaultKind.PKEY;
      }
      return (access & Access.WRITE) !== 0 && (attributes & CHANGED) === 0 ? NEEDS_DIRTY : FaultKind.NONE;
    },
    updateLeaf(walk, access) {
      walk.low |= (access & Access.WRITE) !== 0 ? REFERENCED | CHANGED : REFERENCED;
    },
    syndrome(kind, walk, _attributes, access, privilege, syndrome) {
      syndrome.high = 0;
      syndrome.low = kind | (walk.level << 4) | (access << 8) | (privilege << 12);
    },
  };
}
