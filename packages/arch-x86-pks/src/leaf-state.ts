import type { Protection, Words } from "@kpkeys/core/contracts";
import { ADDRESS_HIGH, ADDRESS_LOW, Bit, HighBit, KEY_HIGH } from "./entry-bits.js";

const { RW, US, PWT, PCD, A, D, PS } = Bit;
const { SAVED_DIRTY } = HighBit;

/** The bits that `pte_modify` keeps: `_PAGE_CHG_MASK`. Linux takes the key from the VMA; here the key stays. */
const KEPT: Words = { high: ADDRESS_HIGH | SAVED_DIRTY | KEY_HIGH, low: ADDRESS_LOW | PWT | PCD | A | D | PS };

function isDirty(high: number, low: number): boolean {
  return (low & D) !== 0 || (high & SAVED_DIRTY) !== 0;
}

/** Moves the dirty state: to D if the leaf is writable, else to SD (`pte_mksaveddirty`, `pte_clear_saveddirty`). */
function placeDirty(high: number, low: number): Words {
  if (!isDirty(high, low)) return { high, low };
  return (low & RW) !== 0 ? { high: high & ~SAVED_DIRTY, low: low | D } : { high: high | SAVED_DIRTY, low: low & ~D };
}

/**
 * Writable, young and dirty as Linux keeps them in a leaf (asm/pgtable.h):
 *
 * ```text
 *   writable  RW
 *   young     A
 *   dirty     D while the leaf is writable, SD while it is not
 * ```
 */
export class LeafState {
  isWritable(_high: number, low: number): boolean {
    return (low & RW) !== 0;
  }

  isYoung(_high: number, low: number): boolean {
    return (low & A) !== 0;
  }

  isDirty(high: number, low: number): boolean {
    return isDirty(high, low);
  }

  isUser(_high: number, low: number): boolean {
    return (low & US) !== 0;
  }

  makeWritable({ high, low }: Words): Words {
    return placeDirty(high, low | RW);
  }

  makeReadOnly({ high, low }: Words): Words {
    return placeDirty(high, low & ~RW);
  }

  makeYoung({ high, low }: Words): Words {
    return { high, low: low | A };
  }

  makeOld({ high, low }: Words): Words {
    return { high, low: low & ~A };
  }

  makeDirty({ high, low }: Words): Words {
    return placeDirty(high, low | D);
  }

  makeClean({ high, low }: Words): Words {
    return { high: high & ~SAVED_DIRTY, low: low & ~D };
  }

  reprotect({ high, low }: Words, protection: Protection): Words {
    return placeDirty(
      (high & KEPT.high) | (protection.high & ~KEPT.high),
      (low & KEPT.low) | (protection.low & ~KEPT.low),
    );
  }
}
