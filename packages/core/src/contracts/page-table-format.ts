import type { ByteOrder, Level, Pfn, Pkey } from "./numbers.js";
import type { Words } from "./pkey-register.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/** One level of the page tables. */
export interface LevelGeometry {
  /** Linux's name of the tables at this level. */
  readonly name: "pgd" | "p4d" | "pud" | "pmd" | "pte";
  /** The lowest address bit that indexes a table of this level; an entry maps `2 ** shift` bytes. */
  readonly shift: number;
  /**
   * Number of address bits that index a table; a table has `2 ** indexBits` entries of 8 bytes. A table
   * fills a page, except that a root with fewer entries is smaller (PGD_SIZE). User roots then share pages.
   */
  readonly indexBits: number;
  /** Whether an entry of this level may be a leaf (a block or a page). */
  readonly leaf: boolean;
}

/** The shape of the page tables. */
export interface Geometry {
  /** log2 of the page size in bytes. */
  readonly pageShift: number;
  /** The levels, the top one first. */
  readonly levels: readonly LevelGeometry[];
  /** Number of significant virtual-address bits. The bits above are copies of the highest one, or select the root. */
  readonly addressBits: number;
  /** Whether user and kernel addresses have separate roots (TTBR0_EL1, TTBR1_EL1) or share one (CR3). */
  readonly splitRoots: boolean;
  /** Byte order of the kernel's loads and stores; little if left out. */
  readonly byteOrder?: ByteOrder;
  /**
   * Byte order of an entry in memory; little if left out. It is big on POWER, also where the kernel is little-endian: Linux stores
   * `cpu_to_be64()` of an entry (`__pte()` in arch/powerpc/include/asm/pgtable-be-types.h).
   */
  readonly entryByteOrder?: ByteOrder;
}

/** The bits of a leaf other than its output address. */
export type Protection = Words;

/** The protections by Linux's names. */
export type ProtectionName =
  /** Kernel data: read-write, no execution. */
  | "PAGE_KERNEL"
  /** Kernel data, read-only. */
  | "PAGE_KERNEL_RO"
  /** Kernel code: read-only, executable. */
  | "PAGE_KERNEL_ROX"
  /** Kernel code while it is being written: read-write, executable. */
  | "PAGE_KERNEL_EXEC"
  /** A user page without access. */
  | "PAGE_NONE"
  /** A user page: read. */
  | "PAGE_READONLY"
  /** A user page: read and execute. */
  | "PAGE_READONLY_EXEC"
  /** A user page: read and write. */
  | "PAGE_SHARED"
  /** A user page: read, write and execute. */
  | "PAGE_SHARED_EXEC";

/** The type of an entry at its level. */
export const EntryType = {
  /** Not valid, or reserved. */
  INVALID: 0,
  /** Points to the next table. */
  TABLE: 1,
  /** A block or a page. */
  LEAF: 2,
} as const;

/** One of the {@link EntryType} values. */
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

/** The bits that a change of attributes clears and then sets, as in `change_memory_common`. */
export interface AttributeChange {
  /** Bits cleared first. */
  readonly clear: Words;
  /** Bits set after. */
  readonly set: Words;
}

/**
 * Clears and sets bits of an entry: `__pte(pte_val(pte) & ~clear | set)`.
 * @param entry - the entry
 * @param change - the bits
 * @returns the changed entry
 */
export function applyChange({ high, low }: Words, { clear, set }: AttributeChange): Words {
  return { high: (high & ~clear.high) | set.high, low: (low & ~clear.low) | set.low };
}

/** Changes of a kernel leaf by the names of `set_memory_*` and `set_direct_map_*`. */
export type AttributeName = "ro" | "rw" | "nx" | "x" | "invalid" | "valid";

/** The field of a leaf that has its key: POIndex of arm64, the protection key of x86. Pure functions. */
export interface EntryKeys {
  /**
   * The key of a leaf.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  pkeyOf(high: number, low: number): Pkey;
  /**
   * The change that sets the key of a leaf.
   * @param pkey - 0 to the register's number of keys minus 1
   */
  pkeyChange(pkey: Pkey): AttributeChange;
}

/**
 * The geometry and the codec of page-table entries: pure functions, without state. A function that makes or changes an entry returns
 * it as a value; the entry that it is given is not modified.
 *
 * An entry is a 64-bit number, never bytes: memory holds it in the order {@link Geometry.entryByteOrder}.
 *
 * Keys may belong to physical frames, like s390's storage keys: all mappings of a frame then have its key. Such an architecture leaves
 * {@link entryKeys} out and registers {@link FrameKeys}.
 */
export interface PageTableFormat {
  /** The shape of the tables, as data. */
  readonly geometry: Geometry;
  /** Leaf bits by Linux's names, without an address and with key 0. User protections are those of a young, clean page. */
  readonly protections: Readonly<Record<ProtectionName, Protection>>;
  /** The keys in entries; left out if keys are kept with frames. Code outside the architecture uses `PageKeys`. */
  readonly entryKeys?: EntryKeys;
  /** Attribute changes by name. */
  readonly attributes: Readonly<Record<AttributeName, AttributeChange>>;
  /**
   * Index of an address in a table.
   * @param level - the table's level, 0 being the top
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   */
  index(level: Level, high: number, low: number): number;
  /**
   * Makes an entry that points to a table.
   * @param pfn - page-frame number of the table
   * @param user - whether it translates user addresses
   * @returns the entry
   */
  makeTable(pfn: Pfn, user: boolean): Words;
  /**
   * Makes a leaf.
   * @param level - the level of its table, whose geometry allows leaves
   * @param pfn - first page-frame number, aligned to the leaf's size
   * @param protection - its other bits
   * @returns the entry
   */
  makeLeaf(level: Level, pfn: Pfn, protection: Protection): Words;
  /**
   * The first of the leaves one level below that together map the memory of a block with the same bits; the others follow it at
   * steps of their size. The leaves of an invalid block are invalid.
   * @param leaf - a leaf above the last level
   * @param level - the level of the table that holds it
   * @returns the first leaf
   */
  splitLeaf(leaf: Words, level: Level): Words;
  /**
   * The type of an entry, as the walker decodes it.
   * @param level - the level of the table that holds it
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  typeOf(level: Level, high: number, low: number): EntryType;
  /**
   * Whether an entry is in use: valid, or invalid by {@link AttributeName} `invalid` or PAGE_NONE, which preserve its address.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  isPresent(high: number, low: number): boolean;
  /**
   * The output address of a table entry or leaf.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   * @returns a page-frame number
   */
  pfnOf(high: number, low: number): Pfn;
  /**
   * Whether a leaf is writable for the kernel, independent of dirty tracking: `pte_write`.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  isWritable(high: number, low: number): boolean;
  /**
   * Whether a leaf has been accessed: `pte_young`.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  isYoung(high: number, low: number): boolean;
  /**
   * Whether a leaf has been written: `pte_dirty`, by hardware or by software.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  isDirty(high: number, low: number): boolean;
  /**
   * Whether a leaf allows user accesses.
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  isUser(high: number, low: number): boolean;
  /** `pte_mkwrite`. @param leaf - the leaf @returns the leaf, writable */
  makeWritable(leaf: Words): Words;
  /** `pte_wrprotect`. @param leaf - the leaf @returns the leaf, not writable; dirty if it was */
  makeReadOnly(leaf: Words): Words;
  /** `pte_mkyoung`. @param leaf - the leaf @returns the leaf, accessed */
  makeYoung(leaf: Words): Words;
  /** `pte_mkold`. @param leaf - the leaf @returns the leaf, not accessed */
  makeOld(leaf: Words): Words;
  /** `pte_mkdirty`. @param leaf - the leaf @returns the leaf, dirty */
  makeDirty(leaf: Words): Words;
  /** `pte_mkclean`. @param leaf - the leaf @returns the leaf, clean */
  makeClean(leaf: Words): Words;
  /**
   * `pte_modify`: replaces the protection and preserves address, key, access and dirty state.
   * @param leaf - the leaf
   * @param protection - the new one
   * @returns the leaf with the new protection
   */
  reprotect(leaf: Words, protection: Protection): Words;
}

/** Token of {@link PageTableFormat}. */
export const PageTableFormat: Token<PageTableFormat> = token("PageTableFormat");
