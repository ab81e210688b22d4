import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { Geometry } from "@kpkeys/core/contracts";
import type { LevelDecoding, TranslationRegime } from "@kpkeys/core/machine";
import { createSyndrome } from "./fault.js";
import { ADDRESS_HIGH, Bit, HighBit } from "./entry-bits.js";
import { hasReservedBits } from "./format.js";
import { LAST_LEVEL } from "./geometry.js";
import { createPermissions } from "./permissions.js";
import { EFER_NXE } from "./registers.js";
import type { RegisterState } from "./registers.js";

// Local copies: docs/performance.md, "Imported bindings".
const { P, PS, A, D } = Bit;
const { XD } = HighBit;
const { NONE, RESERVED } = FaultKind;
const { WRITE } = Access;
const NXE: number = EFER_NXE;

/**
 * The four levels, PML4 first. PS in a PML4E does not make it a leaf: it is a table entry with a reserved bit set. In a PTE
 * the same bit is PAT.
 *
 * By section 4.8 the processor sets A in each entry that it uses for a translation; whether a leaf whose rights then deny the
 * access was used is model specific. This model's walk sets A in a PDPTE, be it a table or a leaf, as QEMU's does, and in the
 * leaves below once the access is allowed.
 */
const LEVELS: readonly LevelDecoding[] = [
  { shift: 39, typeMask: P, table: P, leaf: -1 },
  { shift: 30, typeMask: P | PS, table: P, leaf: P | PS, leafAccessed: A },
  { shift: 21, typeMask: P | PS, table: P, leaf: P | PS },
  { shift: 12, typeMask: P, table: -1, leaf: P },
];

/** The PML5 of 5-level paging, whose entries are like those of the PML4. */
const PML5: LevelDecoding = { ...LEVELS[0]!, shift: 48 };

/**
 * Makes the translation regime of one CPU: 4-level or 5-level paging without PCIDs (SDM, volume 3, chapter "Paging").
 *
 * @param state - the CPU's registers
 * @param physicalAddressBits - MAXPHYADDR, 36 to 52
 * @param geometry - the shape of the tables
 * @returns what the machine's CPU asks
 */
export function createRegime(
  state: Readonly<RegisterState>,
  physicalAddressBits: number,
  geometry: Geometry,
): TranslationRegime {
  const pml4 = geometry.levels.length - 1 - LAST_LEVEL;
  return {
    levels: pml4 === 0 ? LEVELS : [PML5, ...LEVELS],
    addressBits: geometry.addressBits,
    splitRoots: false,
    outputAddress: { highMask: ADDRESS_HIGH },
    asidBits: 0,
    tableAccessed: A,
    pkeyRegisterNeedsBarrier: false,
    pkeyRegisterReset: { high: 0, low: 0 },
    nonCanonicalFault: FaultKind.ADDRESS_SIZE,
    faultDropsTranslation: true,
    // Model specific too: section 4.8 does not say how far a locked access has come when its write is refused.
    rmwReadsFirst: true,
    checkEntry(level, isLeaf, high, low) {
      const reservedXd = (high & XD) !== 0 && (state.EFER & NXE) === 0;
      const refused = reservedXd || hasReservedBits(level - pml4, isLeaf, high, low, physicalAddressBits);
      return refused ? RESERVED : NONE;
    },
    checkLeaf: () => NONE,
    ...createPermissions(state),
    updateLeaf(walk, access) {
      walk.low |= (access & WRITE) !== 0 ? A | D : A;
    },
    syndrome: createSyndrome(state),
  };
}
