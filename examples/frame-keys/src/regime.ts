import { Access, FaultKind, Privilege, toPfn } from "@kpkeys/core/contracts";
import type { FrameKeys } from "@kpkeys/core/contracts";
import { NEEDS_DIRTY } from "@kpkeys/core/machine";
import type { TranslationRegime } from "@kpkeys/core/machine";
import { ADDRESS_HIGH, Bit, GEOMETRY } from "./format.js";
import { SKR_RESET, Withheld } from "./registers.js";

const { VALID, TABLE, TYPE, WRITE, FETCH, USER, ACCESSED, DIRTY, GLOBAL, RESERVED } = Bit;

// Attributes of a TLB entry: bits 8:0 of the leaf, and from bit 16 on the key that the frame had when the entry was filled.
const KEY_SHIFT = 16;

function rightWithheld(attributes: number, access: Access, privilege: Privilege): boolean {
  const isUser = (attributes & USER) !== 0;
  if (isUser !== (privilege !== Privilege.KERNEL)) return true;
  if (access === Access.FETCH) return (attributes & FETCH) === 0;
  return (access & Access.WRITE) !== 0 && (attributes & WRITE) === 0;
}

/**
 * The translation regime of one CPU.
 * @param frames - the keys of frames; `undefined` on a CPU without keys
 */
export function createRegime(frames: Pick<FrameKeys, "get"> | undefined): TranslationRegime {
  return {
    levels: GEOMETRY.levels.map(({ shift, leaf }, level) => ({
      shift,
      typeMask: TYPE,
      table: level === GEOMETRY.levels.length - 1 ? -1 : TABLE | VALID,
      leaf: leaf ? VALID : -1,
    })),
    addressBits: GEOMETRY.addressBits,
    splitRoots: GEOMETRY.splitRoots,
    outputAddress: { highMask: ADDRESS_HIGH },
    asidBits: 16,
    tableAccessed: 0,
    pkeyRegisterNeedsBarrier: false,
    pkeyRegisterReset: SKR_RESET,
    nonCanonicalFault: FaultKind.TRANSLATION,
    faultDropsTranslation: false,
    checkEntry: (_level, _isLeaf, high, low) =>
      (high & ~ADDRESS_HIGH) === 0 && (low & RESERVED) === 0 ? FaultKind.NONE : FaultKind.RESERVED,
    checkLeaf: () => FaultKind.NONE,
    // The walk has found the frame: this reads its key.
    attributes: ({ low, pfn }) => (low & 0x1ff) | ((frames?.get(toPfn(pfn)) ?? 0) << KEY_SHIFT),
    pkeyOf: (attributes) => attributes >>> KEY_SHIFT,
    isGlobal: ({ low }) => (low & GLOBAL) !== 0,
    check(attributes, access, privilege, _pkeyHigh, pkeyLow) {
      if (rightWithheld(attributes, access, privilege)) return FaultKind.PERMISSION;
      const isWrite = (access & Access.WRITE) !== 0;
      const field = (pkeyLow >>> (2 * (attributes >>> KEY_SHIFT))) & 3;
      const withheld = isWrite ? Withheld.DATA | Withheld.WRITE : access === Access.FETCH ? 0 : Withheld.DATA;
      if (frames !== undefined && privilege === Privilege.KERNEL && (field & withheld) !== 0) return FaultKind.PKEY;
      return isWrite && (attributes & DIRTY) === 0 ? NEEDS_DIRTY : FaultKind.NONE;
    },
    updateLeaf(walk, access) {
      walk.low |= (access & Access.WRITE) !== 0 ? ACCESSED | DIRTY : ACCESSED;
    },
    syndrome(kind, walk, _attributes, access, privilege, syndrome) {
      syndrome.high = 0;
      syndrome.low = kind | (walk.level << 4) | (access << 8) | (privilege << 12);
    },
  };
}
