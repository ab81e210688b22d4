import type { Geometry } from "@kpkeys/core/contracts";

// The address bits that index each table (SDM, volume 3, "4-Level Paging and 5-Level Paging"). A table fills a page of 4 KiB and has 512 entries. Output-address
// bits 51..12 are in place in an entry.
//
//               PML5    PML4    PDPT    PD      PT      page
//   4 levels            47..39  38..30  29..21  20..12  11..0
//   5 levels    56..48  47..39  38..30  29..21  20..12  11..0
//
//   Linux       pgd     p4d     pud     pmd     pte             with 4 levels the PML4 is the pgd

/** The level whose entries are always leaves, counted from the PML4. */
export const LAST_LEVEL = 3;

/** 4-level paging: linear addresses of 48 bits. */
export const X86_4_LEVELS: Geometry = {
  pageShift: 12,
  levels: [
    { name: "pgd", shift: 39, indexBits: 9, leaf: false },
    { name: "pud", shift: 30, indexBits: 9, leaf: true },
    { name: "pmd", shift: 21, indexBits: 9, leaf: true },
    { name: "pte", shift: 12, indexBits: 9, leaf: true },
  ],
  addressBits: 48,
  splitRoots: false,
};

/** 5-level paging, CR4.LA57 = 1: linear addresses of 57 bits. */
export const X86_5_LEVELS: Geometry = {
  ...X86_4_LEVELS,
  levels: [
    { name: "pgd", shift: 48, indexBits: 9, leaf: false },
    { name: "p4d", shift: 39, indexBits: 9, leaf: false },
    ...X86_4_LEVELS.levels.slice(1),
  ],
  addressBits: 57,
};

/** The shapes that Linux uses, the most common first. */
export const X86_GEOMETRIES: readonly Geometry[] = Object.freeze([X86_4_LEVELS, X86_5_LEVELS]);
