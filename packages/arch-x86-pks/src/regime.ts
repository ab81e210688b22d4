import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { Geometry, Privilege, Words } from "@kpkeys/core/contracts";
import type { LevelDecoding, OutputAddressForm, TranslationRegime, Walk } from "@kpkeys/core/machine";
import { errorCodeOf } from "./fault.js";
import { ADDRESS_HIGH, Bit, HighBit } from "./entry-bits.js";
import { hasReservedBits } from "./format.js";
import { LAST_LEVEL } from "./geometry.js";
import { attributesOf, Permissions, pkeyOf } from "./permissions.js";
import { CR4_PGE, EFER_NXE } from "./registers.js";
import type { RegisterState } from "./registers.js";

// Local copies: docs/performance.md, "Imported bindings".
const { P, PS, A, D, G } = Bit;
const { XD } = HighBit;
const { NONE, RESERVED } = FaultKind;
const { WRITE } = Access;
const NXE: number = EFER_NXE;
const PGE: number = CR4_PGE;

/**
 * The four levels, PML4 first. PS in a PML4E does not make it a leaf: it is a reserved bit of a table entry. In a PTE the same bit is
 * PAT.
 *
 * The processor sets A in each entry that it uses for a translation ("Accessed and Dirty Flags"). Whether a leaf whose rights then deny
 * the access was used is model specific. This model's walk sets A in a PDPTE, table or leaf, as QEMU's walk does, and in the leaves
 * below once the access is allowed.
 */
const LEVELS: readonly LevelDecoding[] = [
  { shift: 39, typeMask: P, table: P, leaf: -1 },
  { shift: 30, typeMask: P | PS, table: P, leaf: P | PS, leafAccessed: A },
  { shift: 21, typeMask: P | PS, table: P, leaf: P | PS },
  { shift: 12, typeMask: P, table: -1, leaf: P },
];

/** The PML5 of 5-level paging, whose entries are like those of the PML4. */
const PML5: LevelDecoding = { ...LEVELS[0]!, shift: 48 };

const OUTPUT_ADDRESS = { highMask: ADDRESS_HIGH };
const PKRS_RESET = { high: 0, low: 0 };

/** The translation regime of one CPU: 4-level or 5-level paging without PCIDs (SDM, volume 3, chapter "Paging"). */
export class X86Regime implements TranslationRegime {
  readonly levels: readonly LevelDecoding[];
  readonly addressBits: number;
  readonly splitRoots = false;
  readonly outputAddress: OutputAddressForm = OUTPUT_ADDRESS;
  readonly asidBits = 0;
  readonly tableAccessed: number = A;
  readonly pkeyRegisterNeedsBarrier = false;
  readonly pkeyRegisterReset: Words = PKRS_RESET;
  readonly nonCanonicalFault: FaultKind = FaultKind.ADDRESS_SIZE;
  readonly faultDropsTranslation = true;
  /** Model specific: "Accessed and Dirty Flags" does not define how far a locked access gets when its write is denied. */
  readonly rmwReadsFirst = true;
  private readonly pml4: number;
  private readonly permissions: Permissions;

  /**
   * @param state - the CPU's registers, read at each check
   * @param physicalAddressBits - MAXPHYADDR, 36 to 52
   * @param geometry - the shape of the tables
   */
  constructor(
    private readonly state: Readonly<RegisterState>,
    private readonly physicalAddressBits: number,
    { levels, addressBits }: Geometry,
  ) {
    this.pml4 = levels.length - 1 - LAST_LEVEL;
    this.levels = this.pml4 === 0 ? LEVELS : [PML5, ...LEVELS];
    this.addressBits = addressBits;
    this.permissions = new Permissions(state);
  }

  checkEntry(level: number, isLeaf: boolean, high: number, low: number): FaultKind {
    const reservedXd = (high & XD) !== 0 && (this.state.EFER & NXE) === 0;
    return reservedXd || hasReservedBits(level - this.pml4, isLeaf, high, low, this.physicalAddressBits)
      ? RESERVED
      : NONE;
  }

  checkLeaf(): FaultKind {
    return NONE;
  }

  attributes(walk: Walk): number {
    return attributesOf(walk);
  }

  pkeyOf(attributes: number): number {
    return pkeyOf(attributes);
  }

  isGlobal({ low }: Walk): boolean {
    return (low & G) !== 0 && (this.state.CR4 & PGE) !== 0;
  }

  check(attributes: number, access: Access, privilege: Privilege, _pkeyHigh: number, pkrs: number): FaultKind | -1 {
    return this.permissions.check(attributes, access, privilege, pkrs);
  }

  updateLeaf(walk: Walk, access: Access): void {
    walk.low |= (access & WRITE) !== 0 ? A | D : A;
  }

  syndrome(
    kind: FaultKind,
    walk: Walk,
    _attributes: number,
    access: Access,
    privilege: Privilege,
    syndrome: { high: number; low: number },
  ): void {
    syndrome.high = 0;
    syndrome.low = errorCodeOf(this.state, kind, walk.low, access, privilege);
  }
}
