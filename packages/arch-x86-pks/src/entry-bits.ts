// An entry of 4-level and 5-level paging (SDM, volume 3); software bits as Linux uses them (asm/pgtable_types.h).
//
//   63  62   59  58    57 52  51              12  11  9  8   7   6   5    4    3   2   1   0
//   XD    key    SD    soft   output address      soft   G   PS  D   A   PCD  PWT  US  RW  P
//
// Only leaves have a key. PS (bit 7) makes a PDPTE or PDE a leaf, is reserved in a PML4E and is PAT in a PTE; while P is 0,
// Linux marks PROT_NONE with G. SD, "saved dirty", holds D while the entry is not writable, because RW=0 with D=1
// means a shadow stack.

/** The bits of an entry's low word. */
export const Bit = {
  /** Present. */
  P: 0x1,
  /** Writable. */
  RW: 0x2,
  /** User-mode address. */
  US: 0x4,
  /** Page-level write-through. */
  PWT: 0x8,
  /** Page-level cache disable. */
  PCD: 0x10,
  /** Accessed. */
  A: 0x20,
  /** Dirty. */
  D: 0x40,
  /** Page size: the entry is a leaf. */
  PS: 0x80,
  /** Global. While P is 0: `_PAGE_PROTNONE`. */
  G: 0x100,
  /** PAT of a leaf above the last level. */
  PAT_LARGE: 0x1000,
} as const;

/** The bits of an entry's high word. */
export const HighBit = {
  /** Linux's `_PAGE_SAVED_DIRTY`, bit 58. */
  SAVED_DIRTY: 0x4000000,
  /** Execute-disable, bit 63. */
  XD: -0x80000000,
} as const;

/** Lowest bit of the key in the high word. */
export const KEY_SHIFT = 27;
/** The key in the high word: bits 62 to 59. */
export const KEY_HIGH: number = 0xf << KEY_SHIFT;
/** Bits 51 to 32 of the output address, in the high word. */
export const ADDRESS_HIGH = 0x000fffff;
/** Bits 31 to 12 of the output address, in the low word. */
export const ADDRESS_LOW: number = ~0xfff;
