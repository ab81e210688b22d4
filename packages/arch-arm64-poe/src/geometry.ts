import type { Geometry, LevelGeometry } from "@kpkeys/core/contracts";
import type { OutputAddressForm } from "@kpkeys/core/machine";

// The address bits that index each table (Arm ARM, "Translation process"). A table fills a page; the remaining bits index the root.
// Level numbers are the architecture's, names are Linux's.
//
//            level -1  0        1        2        3        page     Linux's names
//   4K/39                       38..30   29..21   20..12   11..0    pgd pmd pte
//   4K/48              47..39   38..30   29..21   20..12   11..0    pgd pud pmd pte
//   4K/52    51..48    47..39   38..30   29..21   20..12   11..0    pgd p4d pud pmd pte
//   16K/36                               35..25   24..14   13..0    pgd pte
//   16K/47                      46..36   35..25   24..14   13..0    pgd pmd pte
//   16K/48             47       46..36   35..25   24..14   13..0    pgd pud pmd pte
//   16K/52             51..47   46..36   35..25   24..14   13..0    pgd pud pmd pte
//   64K/42                               41..29   28..16   15..0    pgd pte
//   64K/48                      47..42   41..29   28..16   15..0    pgd pmd pte
//   64K/52                      51..42   41..29   28..16   15..0    pgd pmd pte
//
// The position of the output address in a descriptor (Arm ARM, "VMSAv8-64 descriptor formats"):
//
//   48 bits                    47..page size in place
//   52 bits, FEAT_LPA2 (DS 1)  49..page size in place, 51..50 in bits 9..8, the bits of SH in other descriptors
//   52 bits, 64K, FEAT_LPA     47..16 in place, 51..48 in bits 15..12

/** The architecture's number of the level of pages. */
export const LAST_LEVEL = 3;

/** A shape of stage 1 tables, with the form of their descriptors. */
export interface Arm64Geometry extends Geometry {
  /** The architecture's number of the level at which walks begin: -1 to 2. */
  readonly firstLevel: number;
  /** Whether descriptors are those of FEAT_LPA2, TCR_EL1.DS = 1: 52-bit addresses with pages of 4 or 16 KiB. */
  readonly lpa2: boolean;
  /** Width of the output address in a descriptor: 48 or 52 bits. */
  readonly outputBits: 48 | 52;
  /** The position of the output address in a descriptor. */
  readonly outputAddress: OutputAddressForm;
}

const OUTPUT_48: OutputAddressForm = { highMask: 0x0000ffff };
const OUTPUT_LPA2: OutputAddressForm = { highMask: 0x0003ffff, moved: { from: 8, bits: 2, to: 50 } };
const OUTPUT_LPA: OutputAddressForm = { highMask: 0x0000ffff, moved: { from: 12, bits: 4, to: 48 } };

/** Linux's names of the levels, by number of levels. Linux folds the others. */
const LEVEL_NAMES: Readonly<Record<number, readonly LevelGeometry["name"][]>> = {
  2: ["pgd", "pte"],
  3: ["pgd", "pmd", "pte"],
  4: ["pgd", "pud", "pmd", "pte"],
  5: ["pgd", "p4d", "pud", "pmd", "pte"],
};

/**
 * The lowest level at which a descriptor may be a block, by log2 of the page size: one lower with 52-bit addresses (Arm ARM,
 * AArch64.BlockDescSupported).
 */
const FIRST_BLOCK_LEVEL: Readonly<Record<number, number>> = { 12: 1, 14: 2, 16: 2 };

function createGeometry(pageShift: number, addressBits: number): Arm64Geometry {
  const lpa2 = addressBits === 52 && pageShift !== 16;
  const outputBits = lpa2 || pageShift === 16 ? 52 : 48;
  const indexBits = pageShift - 3;
  const names = LEVEL_NAMES[Math.ceil((addressBits - pageShift) / indexBits)]!;
  const firstLevel = LAST_LEVEL + 1 - names.length;
  const firstBlockLevel = FIRST_BLOCK_LEVEL[pageShift]! - (outputBits === 52 ? 1 : 0);
  const levels = names.map((name, level): LevelGeometry => {
    const number = firstLevel + level;
    const shift = pageShift + indexBits * (LAST_LEVEL - number);
    return { name, shift, indexBits: level === 0 ? addressBits - shift : indexBits, leaf: number >= firstBlockLevel };
  });
  const outputAddress = lpa2 ? OUTPUT_LPA2 : outputBits === 52 ? OUTPUT_LPA : OUTPUT_48;
  return { pageShift, levels, addressBits, splitRoots: true, firstLevel, lpa2, outputBits, outputAddress };
}

/** Pages of 4 KiB, addresses of 48 bits in both halves. */
export const ARM64_4K_48: Arm64Geometry = createGeometry(12, 48);

/** Linux's choices of ARM64_VA_BITS by page size (arch/arm64/Kconfig), the most common first. */
export const ARM64_GEOMETRIES: readonly Arm64Geometry[] = Object.freeze([
  ARM64_4K_48,
  createGeometry(12, 39),
  createGeometry(14, 47),
  createGeometry(14, 48),
  createGeometry(14, 36),
  createGeometry(16, 48),
  createGeometry(16, 42),
  createGeometry(16, 52),
  createGeometry(12, 52),
  createGeometry(14, 52),
]);
