import type { Protection, Words } from "@kpkeys/core/contracts";
import { Bit, HighBit } from "./entry-bits.js";

// Writable, young and dirty as Linux keeps them in a leaf (asm/pgtable.h):
//
//   writable           DBM
//   young              AF
//   dirty by hardware  DBM set and AP[2] clear: the CPU clears AP[2] at the first write
//   dirty by software  PTE_DIRTY, which keeps the state while the leaf is read-only

const { VALID, USER, RDONLY, AF, NG } = Bit;
const { DBM, PXN, UXN, DIRTY } = HighBit;

/** What `pte_modify` takes from the new protection. Linux takes the key too, from the VMA; here it stays. */
const MODIFIED: Words = { high: DBM | PXN | UXN, low: VALID | USER | RDONLY | NG };

/** `pte_write`. @param high - bits 63 to 32 of a leaf */
export function isWritable(high: number): boolean {
  return (high & DBM) !== 0;
}

/** `pte_young`. @param _high - bits 63 to 32 of a leaf @param low - bits 31 to 0 */
export function isYoung(_high: number, low: number): boolean {
  return (low & AF) !== 0;
}

/** `pte_dirty`. @param high - bits 63 to 32 of a leaf @param low - bits 31 to 0 */
export function isDirty(high: number, low: number): boolean {
  return (high & DIRTY) !== 0 || isHardwareDirty(high, low);
}

/** `pte_user`. @param _high - bits 63 to 32 of a leaf @param low - bits 31 to 0 */
export function isUser(_high: number, low: number): boolean {
  return (low & USER) !== 0;
}

/** `pte_hw_dirty`. */
function isHardwareDirty(high: number, low: number): boolean {
  return isWritable(high) && (low & RDONLY) === 0;
}

/** `pte_mkwrite`: AP[2] of a leaf that is not dirty stays, for the CPU to clear. @param leaf - the leaf as it is */
export function makeWritable({ high, low }: Words): Words {
  return { high: high | DBM, low: (high & DIRTY) !== 0 ? low & ~RDONLY : low };
}

/** `pte_wrprotect`. @param leaf - the leaf as it is */
export function makeReadOnly({ high, low }: Words): Words {
  return { high: keptDirty(high, low) & ~DBM, low: low | RDONLY };
}

/** `pte_mkyoung`. @param leaf - the leaf as it is */
export function makeYoung({ high, low }: Words): Words {
  return { high, low: low | AF };
}

/** `pte_mkold`. @param leaf - the leaf as it is */
export function makeOld({ high, low }: Words): Words {
  return { high, low: low & ~AF };
}

/** `pte_mkdirty`. @param leaf - the leaf as it is */
export function makeDirty({ high, low }: Words): Words {
  return { high: high | DIRTY, low: isWritable(high) ? low & ~RDONLY : low };
}

/** `pte_mkclean`. @param leaf - the leaf as it is */
export function makeClean({ high, low }: Words): Words {
  return { high: high & ~DIRTY, low: low | RDONLY };
}

/** `pte_modify`. @param leaf - the leaf as it is @param protection - the new one */
export function reprotect({ high, low }: Words, protection: Protection): Words {
  const leaf = {
    high: (keptDirty(high, low) & ~MODIFIED.high) | (protection.high & MODIFIED.high),
    low: (low & ~MODIFIED.low) | (protection.low & MODIFIED.low),
  };
  return (leaf.high & DIRTY) !== 0 ? makeDirty(leaf) : leaf;
}

/** The high word of a leaf with the hardware's dirty state copied to PTE_DIRTY. */
function keptDirty(high: number, low: number): number {
  return isHardwareDirty(high, low) ? high | DIRTY : high;
}
