import type { Protection, Words } from "@kpkeys/core/contracts";
import { ADDRESS_HIGH, ADDRESS_LOW, Bit, HighBit, KEY_HIGH } from "./entry-bits.js";

// Writable, young and dirty as Linux keeps them in a leaf (asm/pgtable.h):
//
//   writable  RW
//   young     A
//   dirty     D while the leaf is writable, SD while it is not

const { RW, US, PWT, PCD, A, D, PS } = Bit;
const { SAVED_DIRTY } = HighBit;

/** What `pte_modify` keeps: `_PAGE_CHG_MASK`, and the key, which Linux takes from the VMA again. */
const KEPT: Words = { high: ADDRESS_HIGH | SAVED_DIRTY | KEY_HIGH, low: ADDRESS_LOW | PWT | PCD | A | D | PS };

/** `pte_write`. @param _high - bits 63 to 32 of a leaf @param low - bits 31 to 0 */
export function isWritable(_high: number, low: number): boolean {
  return (low & RW) !== 0;
}

/** `pte_young`. @param _high - bits 63 to 32 of a leaf @param low - bits 31 to 0 */
export function isYoung(_high: number, low: number): boolean {
  return (low & A) !== 0;
}

/** `pte_dirty`. @param high - bits 63 to 32 of a leaf @param low - bits 31 to 0 */
export function isDirty(high: number, low: number): boolean {
  return (low & D) !== 0 || (high & SAVED_DIRTY) !== 0;
}

/** Whether US is set. @param _high - bits 63 to 32 of a leaf @param low - bits 31 to 0 */
export function isUser(_high: number, low: number): boolean {
  return (low & US) !== 0;
}

/** `pte_mkwrite`. @param leaf - the leaf as it is */
export function makeWritable({ high, low }: Words): Words {
  return placeDirty(high, low | RW);
}

/** `pte_wrprotect`. @param leaf - the leaf as it is */
export function makeReadOnly({ high, low }: Words): Words {
  return placeDirty(high, low & ~RW);
}

/** `pte_mkyoung`. @param leaf - the leaf as it is */
export function makeYoung({ high, low }: Words): Words {
  return { high, low: low | A };
}

/** `pte_mkold`. @param leaf - the leaf as it is */
export function makeOld({ high, low }: Words): Words {
  return { high, low: low & ~A };
}

/** `pte_mkdirty`. @param leaf - the leaf as it is */
export function makeDirty({ high, low }: Words): Words {
  return placeDirty(high, low | D);
}

/** `pte_mkclean`. @param leaf - the leaf as it is */
export function makeClean({ high, low }: Words): Words {
  return { high: high & ~SAVED_DIRTY, low: low & ~D };
}

/** `pte_modify`. @param leaf - the leaf as it is @param protection - the new one */
export function reprotect({ high, low }: Words, protection: Protection): Words {
  return placeDirty(
    (high & KEPT.high) | (protection.high & ~KEPT.high),
    (low & KEPT.low) | (protection.low & ~KEPT.low),
  );
}

/** Moves the dirty state: to D if the leaf is writable, else to SD (`pte_mksaveddirty`, `pte_clear_saveddirty`). */
function placeDirty(high: number, low: number): Words {
  if (!isDirty(high, low)) return { high, low };
  return (low & RW) !== 0 ? { high: high & ~SAVED_DIRTY, low: low | D } : { high: high | SAVED_DIRTY, low: low & ~D };
}
