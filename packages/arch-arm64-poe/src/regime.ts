import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { Geometry } from "@kpkeys/core/contracts";
import type { LevelDecoding, TranslationRegime } from "@kpkeys/core/machine";
import { attributesOf, pkeyOf } from "./base-permissions.js";
import { createSyndrome } from "./fault.js";
import { Bit, HighBit } from "./entry-bits.js";
import type { Arm64Geometry } from "./geometry.js";
import { OutputAddress } from "./output-address.js";
import { Permissions } from "./permissions.js";
import type { Controls } from "./registers.js";

// Local copies: docs/performance.md, "Imported bindings".
const { VALID, TABLE, AF, RDONLY, NG } = Bit;
const { DBM } = HighBit;
const { WRITE } = Access;
const { NONE, ADDRESS_SIZE, ACCESS_FLAG } = FaultKind;
const TYPE = VALID | TABLE;

/** How entries are decoded by level. At the last the bits of a table mean a page; not all levels have blocks. */
function decodingOf({ levels, pageShift }: Geometry): readonly LevelDecoding[] {
  return levels.map(({ shift, leaf }) =>
    shift === pageShift
      ? { shift, typeMask: TYPE, table: -1, leaf: TYPE }
      : { shift, typeMask: TYPE, table: TYPE, leaf: leaf ? VALID : -1 },
  );
}

/**
 * POR_EL1 after reset, where the Arm ARM lets it be UNKNOWN: all rights on key 0, which maps code and data alike, and none on the
 * others.
 */
const POR_EL1_RESET = { high: 0, low: 0x7 };

/**
 * Makes the translation regime of one CPU: stage 1 of EL1&0 (Arm ARM, chapter D8).
 *
 * @param controls - the fields of the CPU's registers
 * @param physicalAddressBits - width of output addresses, 32 to the geometry's `outputBits`
 * @param geometry - the shape of the tables
 * @returns what the machine's CPU asks
 */
export function createRegime(
  controls: Readonly<Controls>,
  physicalAddressBits: number,
  geometry: Arm64Geometry,
): TranslationRegime {
  const { firstLevel, outputAddress, addressBits } = geometry;
  const permissions = new Permissions(controls);
  const output = new OutputAddress(geometry);
  return {
    levels: decodingOf(geometry),
    addressBits,
    splitRoots: true,
    outputAddress,
    asidBits: 16,
    tableAccessed: 0,
    pkeyRegisterNeedsBarrier: true,
    pkeyRegisterReset: POR_EL1_RESET,
    nonCanonicalFault: FaultKind.TRANSLATION,
    unwalkedLevel: 0 - firstLevel,
    faultDropsTranslation: false,
    checkEntry(_level, _isLeaf, high, low) {
      return output.addressHigh(high, low) >>> (physicalAddressBits - 32) === 0 ? NONE : ADDRESS_SIZE;
    },
    checkLeaf: ({ low }) => ((low & AF) !== 0 || controls.ha ? NONE : ACCESS_FLAG),
    attributes: attributesOf,
    pkeyOf,
    isGlobal: ({ low }) => (low & NG) === 0,
    check: (attributes, access, privilege, _porHigh, porLow) =>
      permissions.check(attributes, access, privilege, porLow),
    updateLeaf(walk, access) {
      if (controls.ha) walk.low |= AF;
      const dirties = (access & WRITE) !== 0 && controls.hd && (controls.pie || (walk.high & DBM) !== 0);
      if (dirties) walk.low &= ~RDONLY;
    },
    syndrome: createSyndrome(permissions, firstLevel),
  };
}
