import type { Access, FaultKind, Privilege, Words } from "../contracts/index.js";

/** How the walker tells what an entry is: from its low word, at one level. */
export interface LevelDecoding {
  /**
   * The lowest address bit that indexes a table of this level; that of the last one is log2 of the page size, from 12 up. The index
   * ends where that of the level above begins, and a table of 8-byte entries fits in a page.
   */
  readonly shift: number;
  /** Bits of the low word that tell the entry's type. */
  readonly typeMask: number;
  /** Their value for an entry that points to a table; -1 at the last level. */
  readonly table: number;
  /** Their value for a leaf; -1 where no leaf is allowed. */
  readonly leaf: number;
  /**
   * Bits of the low word that the walk itself sets in a leaf of this level, whether or not the rights then allow the access;
   * none if left out. {@link TranslationRegime.updateLeaf} sets what only an access that is allowed sets.
   */
  readonly leafAccessed?: number;
}

/**
 * What a walk has found, in fields that the next walk overwrites. The accumulated words let an architecture combine the rights
 * of all levels: x86 ANDs R/W and U/S and ORs NX, arm64 ORs APTable, PXNTable and UXNTable.
 */
export interface Walk {
  /** Level of the last entry read, 0 being the top. */
  level: number;
  /** Page-frame number of the table that it stands in. */
  table: number;
  /** Its index there. */
  index: number;
  /** Bits 63 to 32 of the last entry read: the leaf, or the entry that ended the walk. */
  high: number;
  /** Bits 31 to 0 of it. */
  low: number;
  /** AND of the low words of the table entries above; -1 when there is none. */
  tablesAndLow: number;
  /** OR of the high words of the table entries above; 0 when there is none. */
  tablesOrHigh: number;
  /** Whether the address was translated by the kernel's root, where roots are split. */
  kernelHalf: boolean;
  /** Page-frame number of the page accessed, once a leaf was found; negative when it is 2^31 or more. */
  pfn: number;
}

/**
 * What {@link TranslationRegime.check} answers beside a fault kind: the access is allowed but the leaf's dirty state must be
 * set first, which needs a walk.
 */
export const NEEDS_DIRTY = -1;

/** Where an entry keeps its output address. */
export interface OutputAddressForm {
  /** Mask of an entry's high word: the bits that are address bits in place. In the low word those from the page size up are. */
  readonly highMask: number;
  /**
   * Address bits kept elsewhere: `bits` bits of the low word from bit `from` on are address bits from bit `to` (32 or more) on. arm64
   * with LPA2 keeps address bits 51:50 in 9:8; with 64 KiB pages and 52 bits it keeps 51:48 in 15:12.
   */
  readonly moved?: {
    /** Lowest bit of the field in the entry's low word. */
    readonly from: number;
    /** Width of the field in bits. */
    readonly bits: number;
    /** The address bit that the lowest bit of the field is, 32 or more. */
    readonly to: number;
  };
}

/**
 * What an architecture gives the machine's CPU: its geometry and decoding as data, and the rules that are its own as functions
 * of words. The functions run on TLB misses and faults, never on a hit. All of them read the architecture's system registers
 * by themselves.
 */
export interface TranslationRegime {
  /** Decoding by level, the top one first. */
  readonly levels: readonly LevelDecoding[];
  /**
   * Number of significant virtual-address bits, 33 to 57. With split roots the bits above must all be alike; else they must repeat
   * the highest.
   */
  readonly addressBits: number;
  /** Whether the highest address bits choose between two roots. */
  readonly splitRoots: boolean;
  /** Where an entry, table or leaf, keeps its output address. */
  readonly outputAddress: OutputAddressForm;
  /**
   * Bits of the address-space identifier (ASID) that tells TLB entries of user address spaces apart, 8 to 16; 0 without ASIDs. The
   * kernel needs more ASIDs than CPUs.
   */
  readonly asidBits: number;
  /** Bits of the low word that hardware sets in every table entry that it walks through (the accessed flag of x86); else 0. */
  readonly tableAccessed: number;
  /** Whether a key-register write waits for a context synchronisation event. */
  readonly pkeyRegisterNeedsBarrier: boolean;
  /** The key register after reset. */
  readonly pkeyRegisterReset: Words;
  /** What an access to an address that is not canonical is reported as; the walk then has no entry. */
  readonly nonCanonicalFault: FaultKind;
  /** The level that is reported where nothing is walked; 0, the top one, if left out. Levels of a syndrome may count otherwise. */
  readonly unwalkedLevel?: number;
  /**
   * Whether a fault drops the translation that it was decided by, so that the next access walks again (x86: SDM volume 3,
   * "Operations that Invalidate TLBs and Paging-Structure Caches"); if not, a translation whose rights deny an access stays until it is invalidated.
   */
  readonly faultDropsTranslation: boolean;
  /**
   * Whether a read-modify-write that may read but not write has read when it faults, so that what a read sets in the leaf is set;
   * not so if left out.
   */
  readonly rmwReadsFirst?: boolean;

  /**
   * Whether an entry that is valid has a reserved bit set, or an output address beyond the machine's.
   * @param level - where it stands
   * @param isLeaf - whether it is a leaf
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   * @returns `FaultKind` RESERVED or ADDRESS_SIZE; NONE when the entry is good
   */
  checkEntry(level: number, isLeaf: boolean, high: number, low: number): FaultKind;
  /**
   * Whether hardware must refuse the leaf before rights are looked at: an access flag that is clear and may not be set.
   * @param walk - a walk that ended with a leaf
   */
  checkLeaf(walk: Walk): FaultKind;
  /**
   * Packs what a TLB entry remembers of a leaf: base rights by privilege, key, dirty state. An int32 of the architecture's own
   * layout.
   * @param walk - a walk that ended with a leaf
   */
  attributes(walk: Walk): number;
  /** The key in packed attributes. @param attributes - from {@link TranslationRegime.attributes} */
  pkeyOf(attributes: number): number;
  /** Whether a translation belongs to all address spaces. @param walk - a walk that ended with a leaf */
  isGlobal(walk: Walk): boolean;
  /**
   * The one rule of rights: base rights and key.
   * @param attributes - from {@link TranslationRegime.attributes}
   * @param access - what is done
   * @param privilege - on whose behalf
   * @param pkeyHigh - bits 63 to 32 of the kernel's key register
   * @param pkeyLow - bits 31 to 0
   * @returns `FaultKind` NONE, PERMISSION or PKEY; or {@link NEEDS_DIRTY}
   */
  check(attributes: number, access: Access, privilege: Privilege, pkeyHigh: number, pkeyLow: number): FaultKind | -1;
  /**
   * The access and dirty state that hardware sets in the leaf for an access that is allowed: changes `walk.high` and `walk.low`.
   * @param walk - a walk that ended with a leaf
   * @param access - what is done
   */
  updateLeaf(walk: Walk, access: Access): void;
  /**
   * The architecture's syndrome for a fault: ESR_EL1, or the #PF error code.
   * @param kind - which check failed
   * @param walk - how far the walk came; `walk.level` is the level at which the fault was found
   * @param attributes - packed attributes where a leaf was found, else 0
   * @param access - what was attempted
   * @param privilege - on whose behalf
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
