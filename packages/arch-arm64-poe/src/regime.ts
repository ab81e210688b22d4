import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { Geometry, Privilege, Words } from "@kpkeys/core/contracts";
import type { LevelDecoding, OutputAddressForm, TranslationRegime, Walk } from "@kpkeys/core/machine";
import { attributesOf, pkeyOf } from "./base-permissions.js";
import { AbortSyndrome } from "./fault.js";
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

/** The decoding of entries by level. At the last level the type bits of a table mean a page. Not all levels have blocks. */
function decodingOf({ levels, pageShift }: Geometry): readonly LevelDecoding[] {
  return levels.map(({ shift, leaf }) =>
    shift === pageShift
      ? { shift, typeMask: TYPE, table: -1, leaf: TYPE }
      : { shift, typeMask: TYPE, table: TYPE, leaf: leaf ? VALID : -1 },
  );
}

/** POR_EL1 after reset: all rights on key 0, the key of code and data, and none on the others. The Arm ARM leaves it UNKNOWN. */
const POR_EL1_RESET = { high: 0, low: 0x7 };

/** The translation regime of one CPU: stage 1 of EL1&0 (Arm ARM, chapter D8). */
export class Arm64Regime implements TranslationRegime {
  readonly levels: readonly LevelDecoding[];
  readonly addressBits: number;
  readonly splitRoots = true;
  readonly outputAddress: OutputAddressForm;
  readonly asidBits = 16;
  readonly tableAccessed = 0;
  readonly pkeyRegisterNeedsBarrier = true;
  readonly pkeyRegisterReset: Words = POR_EL1_RESET;
  readonly nonCanonicalFault: FaultKind = FaultKind.TRANSLATION;
  readonly unwalkedLevel: number;
  readonly faultDropsTranslation = false;
  private readonly permissions: Permissions;
  private readonly abort: AbortSyndrome;
  private readonly output: OutputAddress;

  /**
   * @param controls - the fields of the CPU's registers, read at each check
   * @param physicalAddressBits - width of output addresses, 32 to the geometry's `outputBits`
   * @param geometry - the shape of the tables
   */
  constructor(
    private readonly controls: Readonly<Controls>,
    private readonly physicalAddressBits: number,
    geometry: Arm64Geometry,
  ) {
    const { firstLevel, outputAddress, addressBits } = geometry;
    this.levels = decodingOf(geometry);
    this.addressBits = addressBits;
    this.outputAddress = outputAddress;
    this.unwalkedLevel = 0 - firstLevel;
    this.permissions = new Permissions(controls);
    this.abort = new AbortSyndrome(this.permissions, firstLevel);
    this.output = new OutputAddress(geometry);
  }

  checkEntry(_level: number, _isLeaf: boolean, high: number, low: number): FaultKind {
    return this.output.addressHigh(high, low) >>> (this.physicalAddressBits - 32) === 0 ? NONE : ADDRESS_SIZE;
  }

  checkLeaf({ low }: Walk): FaultKind {
    return (low & AF) !== 0 || this.controls.ha ? NONE : ACCESS_FLAG;
  }

  attributes(walk: Walk): number {
    return attributesOf(walk);
  }

  pkeyOf(attributes: number): number {
    return pkeyOf(attributes);
  }

  isGlobal({ low }: Walk): boolean {
    return (low & NG) === 0;
  }

  check(attributes: number, access: Access, privilege: Privilege, _porHigh: number, porLow: number): FaultKind | -1 {
    return this.permissions.check(attributes, access, privilege, porLow);
  }

  updateLeaf(walk: Walk, access: Access): void {
    const { ha, hd, pie } = this.controls;
    if (ha) walk.low |= AF;
    if ((access & WRITE) !== 0 && hd && (pie || (walk.high & DBM) !== 0)) walk.low &= ~RDONLY;
  }

  syndrome(
    kind: FaultKind,
    walk: Walk,
    attributes: number,
    access: Access,
    privilege: Privilege,
    syndrome: { high: number; low: number },
    _porHigh: number,
    porLow: number,
  ): void {
    const { high, low } = this.abort.of(kind, walk.level, attributes, access, privilege, porLow);
    syndrome.high = high;
    syndrome.low = low;
  }
}
