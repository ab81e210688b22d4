import type { Access, FaultKind, Privilege, Words } from "../contracts/index.js";

/** Type bits in the high word of an entry. */
export interface HighTypeDecoding {
  /** Bits 63 to 32 of the entry that encode the type. */
  readonly typeMask: number;
  /** Their value, as an int32, for an entry that points to a table. */
  readonly table: number;
  /** Their value, as an int32, for a leaf. */
  readonly leaf: number;
}

/**
 * How the walker decodes the type of an entry at one level. The bits of both words must have the value of the type.
 *
 * ```text
 *                 63    62          1    0
 *   arm64                           T    V     T: table (last level: page)   V: valid
 *   x86                     7: PS        P     PS: page size, of a leaf      P: present
 *   POWER radix   V     L                      L: leaf                       V: valid
 * ```
 */
export interface LevelDecoding {
  /**
   * The lowest address bit of the index at this level. At the last level it is log2 of the page size, 12 or more. The index ends below
   * that of the level above; a table of 8-byte entries fits in a page.
   */
  readonly shift: number;
  /** Bits of the low word that encode the type of the entry; 0 if all of them are in the high word. */
  readonly typeMask: number;
  /** Their value for an entry that points to a table; -1 at the last level. */
  readonly table: number;
  /** Their value for a leaf; -1 if the level has no leaves. */
  readonly leaf: number;
  /** Type bits of the high word (POWER: _PAGE_PRESENT and _PAGE_PTE in arch/powerpc/include/asm/book3s/64/pgtable.h); none if left out. */
  readonly high?: HighTypeDecoding;
  /**
   * Bits of the low word that the walk sets in a leaf of this level, even if the rights then deny the access; none if left out.
   * {@link TranslationRegime.updateLeaf} sets the bits that only an allowed access sets.
   */
  readonly leafAccessed?: number;
}

/**
 * The result of a walk, in fields that the next walk overwrites. The accumulated words combine the rights of all levels: x86 ANDs R/W
 * and U/S and ORs NX, arm64 ORs APTable, PXNTable and UXNTable.
 */
export interface Walk {
  /** Level of the last entry read, 0 being the top. */
  level: number;
  /** Page-frame number of the table that contains it. */
  table: number;
  /** Its index in the page of the table: in a root smaller than a page it counts from the start of the page. */
  index: number;
  /** Bits 63 to 32 of the last entry read: the leaf, or the entry that ended the walk. */
  high: number;
  /** Bits 31 to 0 of it. */
  low: number;
  /** AND of the low words of the table entries above; -1 when there is none. */
  tablesAndLow: number;
  /** OR of the high words of the table entries above; 0 when there is none. */
  tablesOrHigh: number;
  /** Whether the kernel's root translated the address; false if roots are not split. */
  kernelHalf: boolean;
  /** Page-frame number of the accessed page, if a leaf was found; negative if it is 2^31 or more. */
  pfn: number;
}

/**
 * Result of {@link TranslationRegime.check}: the access is allowed, but the dirty state of the leaf must be set first, which needs a
 * walk.
 */
export const NEEDS_DIRTY = -1;

/** The location of the output address in an entry. */
export interface OutputAddressForm {
  /**
   * Mask of the high word: bits that are address bits at the same position. In the low word, all bits from the page size up are address
   * bits.
   */
  readonly highMask: number;
  /**
   * Address bits at another position: the field of `bits` bits at bit `from` of the low word holds the address bits from bit `to` up. On
   * arm64, entry bits 9:8 are address bits 51:50 with LPA2, and 15:12 are 51:48 with 64 KiB pages and 52 bits.
   */
  readonly moved?: {
    /** Lowest bit of the field in the entry's low word. */
    readonly from: number;
    /** Width of the field in bits. */
    readonly bits: number;
    /** Address bit of the lowest bit of the field, 32 or more. */
    readonly to: number;
  };
}

/**
 * The rules of an architecture for a CPU: geometry and decoding as data, and checks as functions of words. The functions run on TLB
 * misses and faults, and {@link TranslationRegime.check} on TLB hits without a fast tag. They read the CPU's system registers.
 */
export interface TranslationRegime {
  /** Decoding by level, the top one first. */
  readonly levels: readonly LevelDecoding[];
  /**
   * Number of significant virtual-address bits, 33 to 57. With split roots, the bits above must be equal; otherwise they must be copies
   * of the highest significant bit.
   */
  readonly addressBits: number;
  /** Whether the highest address bits select one of two roots. */
  readonly splitRoots: boolean;
  /** The location of the output address in a table entry or leaf. */
  readonly outputAddress: OutputAddressForm;
  /**
   * Bits of the address-space identifier (ASID) in TLB entries of user addresses, 8 to 16; 0 without ASIDs. The kernel needs more ASIDs
   * than CPUs.
   */
  readonly asidBits: number;
  /** Bits of the low word that a walk sets in every table entry on its way (the accessed flag of x86); 0 if it sets none. */
  readonly tableAccessed: number;
  /** Whether a key-register write takes effect at the next context synchronisation event. */
  readonly pkeyRegisterNeedsBarrier: boolean;
  /** The key register after reset. */
  readonly pkeyRegisterReset: Words;
  /** The register that decides fetches after reset; left out if the key register decides all accesses. */
  readonly fetchRegisterReset?: Words;
  /** The fault of an access to an address that is not canonical. It is reported without an entry. */
  readonly nonCanonicalFault: FaultKind;
  /** The level that is reported for a fault without a walk; 0, the top, if left out. Syndromes may number levels differently. */
  readonly unwalkedLevel?: number;
  /**
   * Whether a fault drops the translation that denied the access, so that the next access walks again (x86: SDM volume 3, "Operations
   * that Invalidate TLBs and Paging-Structure Caches"). Otherwise the translation stays until it is invalidated.
   */
  readonly faultDropsTranslation: boolean;
  /**
   * Whether a read-modify-write that may read but not write sets the accessed state before it faults; false if left out.
   */
  readonly rmwReadsFirst?: boolean;

  /**
   * Checks a valid entry for reserved bits and for an output address wider than the CPU's.
   * @param level - its level
   * @param isLeaf - whether it is a leaf
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   * @returns `FaultKind` RESERVED or ADDRESS_SIZE; NONE if the entry is well formed
   */
  checkEntry(level: number, isLeaf: boolean, high: number, low: number): FaultKind;
  /**
   * Checks a leaf before its rights: an access flag that is clear and that hardware may not set.
   * @param walk - a walk that ended with a leaf
   */
  checkLeaf(walk: Walk): FaultKind;
  /**
   * Packs the attributes of a leaf for its TLB entry: base rights by privilege, key, dirty state. The layout of the int32 is private to
   * the architecture. An architecture that keeps keys with frames reads here the key of `walk.pfn`.
   * @param walk - a walk that ended with a leaf
   */
  attributes(walk: Walk): number;
  /** The key in packed attributes. @param attributes - from {@link TranslationRegime.attributes} */
  pkeyOf(attributes: number): number;
  /** Whether a translation is valid in all address spaces. @param walk - a walk that ended with a leaf */
  isGlobal(walk: Walk): boolean;
  /**
   * Checks base rights and key.
   * @param attributes - from {@link TranslationRegime.attributes}
   * @param access - the kind of access
   * @param privilege - the privilege of the access
   * @param pkeyHigh - bits 63 to 32 of the kernel's key register; for a fetch of its register for fetches, if there is one
   * @param pkeyLow - bits 31 to 0
   * @returns `FaultKind` NONE, PERMISSION or PKEY; or {@link NEEDS_DIRTY}
   */
  check(attributes: number, access: Access, privilege: Privilege, pkeyHigh: number, pkeyLow: number): FaultKind | -1;
  /**
   * Sets the access and dirty state in `walk.high` and `walk.low` as hardware does for an allowed access.
   * @param walk - a walk that ended with a leaf
   * @param access - the kind of access
   */
  updateLeaf(walk: Walk, access: Access): void;
  /**
   * The architecture's syndrome for a fault: ESR_EL1, or the #PF error code.
   * @param kind - the check that failed
   * @param walk - the walk; `walk.level` is the level of the fault
   * @param attributes - packed attributes if a leaf was found, otherwise 0
   * @param access - the kind of access
   * @param privilege - the privilege of the access
   * @param syndrome - receives the two words
   * @param pkeyHigh - bits 63 to 32 of the kernel's key register that decided
   * @param pkeyLow - bits 31 to 0
   */
  syndrome(
    kind: FaultKind,
    walk: Walk,
    attributes: number,
    access: Access,
    privilege: Privilege,
    syndrome: { high: number; low: number },
    pkeyHigh: number,
    pkeyLow: number,
  ): void;
}
