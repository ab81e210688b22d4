import type { Protection, Words } from "@kpkeys/core/contracts";
import { Bit, HighBit } from "./entry-bits.js";

const { VALID, USER, RDONLY, AF, NG } = Bit;
const { DBM, PXN, UXN, DIRTY } = HighBit;

/** The bits that `pte_modify` takes from the new protection. Linux also takes the key, from the VMA; here the key stays. */
const MODIFIED: Words = { high: DBM | PXN | UXN, low: VALID | USER | RDONLY | NG };

/** `pte_hw_dirty`. */
function isHardwareDirty(high: number, low: number): boolean {
  return (high & DBM) !== 0 && (low & RDONLY) === 0;
}

/** The high word of a leaf with the hardware's dirty state copied to PTE_DIRTY. */
function keepDirty(high: number, low: number): number {
  return isHardwareDirty(high, low) ? high | DIRTY : high;
}

/**
 * Writable, young and dirty as Linux keeps them in a leaf (asm/pgtable.h):
 *
 * ```text
 *   writable           DBM
 *   young              AF
 *   dirty by hardware  DBM set and AP[2] clear: the CPU clears AP[2] at the first write
 *   dirty by software  PTE_DIRTY, which keeps the state while the leaf is read-only
 * ```
 */
export class LeafState {
  isWritable(high: number): boolean {
    return (high & DBM) !== 0;
  }

  isYoung(_high: number, low: number): boolean {
    return (low & AF) !== 0;
  }

  isDirty(high: number, low: number): boolean {
    return (high & DIRTY) !== 0 || isHardwareDirty(high, low);
  }

  isUser(_high: number, low: number): boolean {
    return (low & USER) !== 0;
  }

  /** Leaves AP[2] of a clean leaf set: the CPU clears it at the first write. */
  makeWritable({ high, low }: Words): Words {
    return { high: high | DBM, low: (high & DIRTY) !== 0 ? low & ~RDONLY : low };
  }

  makeReadOnly({ high, low }: Words): Words {
    return { high: keepDirty(high, low) & ~DBM, low: low | RDONLY };
  }

  makeYoung({ high, low }: Words): Words {
    return { high, low: low | AF };
  }

  makeOld({ high, low }: Words): Words {
    return { high, low: low & ~AF };
  }

  makeDirty({ high, low }: Words): Words {
    return { high: high | DIRTY, low: (high & DBM) !== 0 ? low & ~RDONLY : low };
  }

  makeClean({ high, low }: Words): Words {
    return { high: high & ~DIRTY, low: low | RDONLY };
  }

  reprotect({ high, low }: Words, protection: Protection): Words {
    const leaf = {
      high: (keepDirty(high, low) & ~MODIFIED.high) | (protection.high & MODIFIED.high),
      low: (low & ~MODIFIED.low) | (protection.low & MODIFIED.low),
    };
    return (leaf.high & DIRTY) !== 0 ? this.makeDirty(leaf) : leaf;
  }
}
